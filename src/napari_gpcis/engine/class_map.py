"""Class mode over whole stacks: the GP conditioned once on all clicks, then applied to any slice.

A session conditions anew in each window, because a click may come at any time. Here the clicks are
complete: each is read in its own tile, the posterior's coefficients are kept, and a further tile
costs the encoder, the decoder and a few kernel columns. The prior path is the same for all classes,
so that it counts in the coefficients, but not in the choice among the classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_gpcis.engine.class_gp import ColourTerm, condition
from napari_gpcis.engine.click_patches import cut_patch
from napari_gpcis.engine.geometry import Box
from napari_gpcis.engine.prompts import thinned
from napari_gpcis.engine.request import class_of, place_in
from napari_gpcis.engine.result import to_pixels
from napari_gpcis.gp.raster import upsample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import TypeAlias

    from torch import Tensor

    from napari_gpcis.engine.click import Click
    from napari_gpcis.engine.embedding import Embedder
    from napari_gpcis.engine.geometry import Scale
    from napari_gpcis.engine.image import ImageSource
    from napari_gpcis.engine.types import Array
    from napari_gpcis.gp.update import FunctionUpdate

    Tile: TypeAlias = tuple[Box, Array]
    Share: TypeAlias = Callable[[Callable[[Box], Tile], Iterable[Box]], Iterator[Tile]]


class ClassMap:
    """Classes of every pixel of every slice.

    Methods may be called from several threads at once.

    Parameters
    ----------
    embedder : Embedder
        Embedder of a network with a GP head.
    source : ImageSource
        The image to classify.
    scale : Scale
        Scale at which the network sees it.
    clicks : sequence of Click
        All clicks, at least one. A pixel's last click counts.

    Attributes
    ----------
    ids : tuple of int
        The classes that were clicked; 0, the background, is that of negative clicks.
    """

    def __init__(
        self, embedder: Embedder, source: ImageSource, scale: Scale, clicks: Sequence[Click]
    ) -> None:
        self.embedder = embedder
        self.source = source
        self.scale = scale
        self.tile_grid = embedder.tile_grid(source, scale)
        self._clicks = tuple({click.place: click for click in clicks}.values())
        self.ids = tuple(sorted({class_of(click) for click in self._clicks}))
        self._update = self._condition()
        is_grey = len(source.channels) == 1
        with torch.inference_mode():
            self._colour = ColourTerm(embedder.network, self._update, is_grey=is_grey)

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger]:
        """Smallest type that holds the classes."""
        return np.min_scalar_type(self.ids[-1])

    @property
    def tiles_per_slice(self) -> int:
        """Tiles that a slice is cut into."""
        return sum(1 for _ in self.tile_grid.tiles(Box(0, 0, *self.tile_grid.canvas)))

    def slice(
        self, z: int, check: Callable[[], None] = lambda: None, share: Share = map
    ) -> ClassSlice:
        """Classes of a slice, computed where they are read.

        Parameters
        ----------
        z : int
            Slice index.
        check : callable
            Called before each tile; an error that it raises ends the work.
        share : callable
            A function like `map`; may share tiles among threads.
        """
        return ClassSlice(self, z, check, share)

    @torch.inference_mode()
    def tile(self, z: int, core: Box) -> Tile:
        """Classes of a tile.

        Parameters
        ----------
        z : int
            Slice index.
        core : Box
            Tile of the grid, in cells.

        Returns
        -------
        box : Box
            Pixels of the tile.
        classes : array of int, shape of `box`
        """
        box = core.times(self.scale.pixels).clip(self.source.shape[1:])
        if len(self.ids) == 1:
            return box, np.full(box.shape, self.ids[0], self.dtype)
        window, image, deep = self._features(z, core)
        inner = core.within(window).times(self.scale.cell)
        network = self.embedder.network
        latent = upsample(self._update.on_grid(deep), network.grid_stride)[(..., *inner.slices)]
        latent = latent + self._colour.of_image(network.smooth(image)[(..., *inner.slices)])
        classes = self._largest(to_pixels(latent, self.scale, core, box))
        for click in self._clicks:
            # rounding may turn a pixel between two that were clicked for different classes
            if click.z == z and box.holds(click.row, click.col):
                classes[click.row - box.r0, click.col - box.c0] = class_of(click)
        return box, classes

    def _largest(self, contrasts: Array) -> Array:
        """Class of every pixel, from the logits of the others above the first one's, (c − 1, …)."""
        chosen = torch.zeros(contrasts.shape[1:], dtype=torch.int32)
        best = torch.zeros(contrasts.shape[1:])
        for number, contrast in enumerate(torch.from_numpy(contrasts), start=1):
            chosen.masked_fill_(contrast > best, number)
            torch.maximum(best, contrast, out=best)
        classes: Array = np.array(self.ids, self.dtype)[chosen.numpy()]
        return classes

    def _features(self, z: int, core: Box) -> tuple[Box, Tensor, Tensor]:
        """A tile with its halo: window of cells, image (1, 3, H, W), deep features."""
        network = self.embedder.network
        window = self.tile_grid.with_halo(core)
        image, pyramid = self.embedder.encode(self.source, z, self.scale, window)
        deep = network.decode(pyramid, [torch.zeros(0, 3, device=image.device)], None)
        return window, image, deep

    @torch.inference_mode()
    def _condition(self) -> FunctionUpdate:
        network = self.embedder.network
        tiles: dict[tuple[int, Box], list[Click]] = {}
        for click in thinned(self._clicks):
            row, col = click.row // self.scale.pixels, click.col // self.scale.pixels
            tiles.setdefault((click.z, self.tile_grid.tile_at(row, col)), []).append(click)
        patches, classes = [], []
        for (z, core), clicks in tiles.items():
            window, image, deep = self._features(z, core)
            colour = network.colour(image)
            for click in clicks:
                patches.append(cut_patch(deep, colour, *place_in(click, self.scale, window)))
                classes.append(class_of(click))
        return condition(network, patches, classes, self.ids).contrasts()


class ClassSlice:
    """Classes of one slice, a row of tiles in memory at a time; made by `ClassMap.slice`.

    Parameters
    ----------
    classes : ClassMap
        The map that the slice belongs to.
    z : int
        Slice index.
    check, share : callable
        As `ClassMap.slice` takes them.
    """

    def __init__(self, classes: ClassMap, z: int, check: Callable[[], None], share: Share) -> None:
        self._classes = classes
        self._z = z
        self._check = check
        self._share = share
        self.shape = classes.source.shape[1:]
        self._band: tuple[int, int, Array] | None = None

    def __getitem__(self, key: tuple[slice, slice]) -> Array:
        """Classes of some rows and columns; reading downwards computes each tile once."""
        (first, last, step), cols = key[0].indices(self.shape[0]), key[1]
        parts = []
        while first < last:
            top, bottom, band = self._band_of(first)
            stop = min(bottom, last)
            part = band[first - top : stop - top : step, cols]
            parts.append(part)
            first += len(part) * step
        return np.concatenate(parts) if parts else np.zeros((0, self.shape[1]), int)[:, cols]

    def _band_of(self, row: int) -> tuple[int, int, Array]:
        """First row, row after the last, and classes of the tiles that hold a row."""
        band = self._band
        if band is None or not band[0] <= row < band[1]:
            classes = self._classes
            cells = row // classes.scale.pixels
            width = classes.tile_grid.canvas[1]
            cores = classes.tile_grid.tiles(Box(cells, 0, cells + 1, width))
            tiles = list(self._share(self._tile, cores))
            joined = np.concatenate([part for _, part in tiles], axis=1)
            band = self._band = (tiles[0][0].r0, tiles[0][0].r1, joined)
        return band

    def _tile(self, core: Box) -> Tile:
        self._check()
        return self._classes.tile(self._z, core)
