"""Class mode: features that no click changes, and clicks of all slices as one training set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_gpcis.engine.click_patches import ClickPatch, attach, cut_patch
from napari_gpcis.engine.embedding import join
from napari_gpcis.engine.prompts import thinned
from napari_gpcis.engine.request import Request, class_of, place_in

if TYPE_CHECKING:
    from collections.abc import Hashable

    from napari_gpcis.engine.click import Click
    from napari_gpcis.engine.embedding import Embedder
    from napari_gpcis.engine.geometry import Box, Scale
    from napari_gpcis.engine.image import ImageSource


class ClassFeatures:
    """Deep features of windows, decoded without clicks and kept in the cache.

    Parameters
    ----------
    embedder : Embedder
        Encodes the windows.
    """

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder
        self._patches: dict[Hashable, ClickPatch] = {}

    def forget(self) -> None:
        """Drop the features of clicks; those of windows are the cache's."""
        self._patches.clear()

    def gather(self, request: Request) -> tuple[Tensor, Tensor, Tensor]:
        """Features and clicks to classify a window with.

        Returns
        -------
        deep : Tensor, shape (1, D, h, w)
            The window, with the patches of clicks elsewhere below it.
        colour : Tensor, shape (1, 3, H, W)
        clicks : Tensor, shape (n, 2 + K)
            Row, column, and ±1 for each of the K classes: one against the rest.
        """
        source, scale, window = request.source, request.scale, request.decoded
        here: list[Click] = []
        elsewhere: list[Click] = []
        for click in thinned(request.clicks):
            inside = window.times(scale.pixels).holds(click.row, click.col)
            (here if inside and click.z == request.z else elsewhere).append(click)
        deep, colour = self.of_window(source, request.z, scale, window)
        patches = [self._kept_patch(source, scale, click) for click in elsewhere]
        deep, colour, attached = attach(deep, colour, patches)
        places = [place_in(click, scale, window) for click in here] + attached
        rows = [
            [*place, *(1.0 if of == class_of(click) else -1.0 for of in request.class_ids)]
            for place, click in zip(places, here + elsewhere, strict=True)
        ]
        return deep, colour, torch.tensor(rows, device=deep.device)

    def of_window(
        self, source: ImageSource, z: int, scale: Scale, window: Box
    ) -> tuple[Tensor, Tensor]:
        """Deep features (1, D, h, w) and colour (1, 3, H, W) of a window of cells."""
        network = self.embedder.network

        def make() -> tuple[Tensor, ...]:
            features = self.embedder.cut(source, z, scale, window)
            nothing = torch.zeros(0, 3, device=features.image.device)
            deep = network.decode(features.pyramid, [nothing], None)
            return deep, network.colour(features.image)

        key = ("deep", source.identity, z, scale, window, id(network))
        deep, colour = self.embedder.cache.get(key, make)
        return deep.float(), colour.float()

    def cut(self, source: ImageSource, z: int, scale: Scale, window: Box) -> tuple[Tensor, Tensor]:
        """Deep features and colour of a window, cut out of those of the tiles that it touches.

        A tile is decoded once, however many windows are cut out of it, but knows nothing of its
        neighbours, unlike what `of_window` finds for a tile with its halo.
        """
        network = self.embedder.network
        parts = [
            (tile.intersect(window), tile, self.of_window(source, z, scale, tile))
            for tile in self.embedder.tile_grid(source, scale).tiles(window)
        ]
        deep, colour = (
            join(
                [
                    (shared, pair[kind][(..., *shared.within(tile).times(factor).slices)])
                    for shared, tile, pair in parts
                ],
                window,
                factor,
                self.embedder.order,
            )
            for kind, factor in enumerate((scale.cell // network.grid_stride, scale.cell))
        )
        return deep, colour

    def patch(
        self, source: ImageSource, scale: Scale, click: Click, *, with_halo: bool = False
    ) -> ClickPatch:
        """Surroundings of a click, cut out of its tile, as `cut` does, or of that with its halo."""
        tile_grid = self.embedder.tile_grid(source, scale)
        tile = tile_grid.tile_at(click.row // scale.pixels, click.col // scale.pixels)
        window = tile_grid.with_halo(tile) if with_halo else tile
        deep, colour = self.of_window(source, click.z, scale, window)
        return cut_patch(deep, colour, *place_in(click, scale, window))

    def _kept_patch(self, source: ImageSource, scale: Scale, click: Click) -> ClickPatch:
        key = (source.identity, scale, click.place)
        if key not in self._patches:
            self._patches[key] = self.patch(source, scale, click, with_halo=True)
        return self._patches[key]
