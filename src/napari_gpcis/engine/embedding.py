"""Features of a slice: encoded tile by tile, once, and cut to any window."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_gpcis.engine.cache import size_of
from napari_gpcis.engine.geometry import Box, Scale
from napari_gpcis.model.inference import memory_format

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from napari_gpcis.engine.cache import EmbeddingCache
    from napari_gpcis.engine.image import ImageSource
    from napari_gpcis.model import SegmentationNetwork

LARGEST_TILE = 1024
SMALLEST_TILE = 256
HALO = 192
LARGEST_READ = 1 << 24
"""Image pixels that are read at once; 64 MiB and more of each channel."""


class Features(NamedTuple):
    """A window's click-independent features.

    Attributes
    ----------
    image : Tensor, shape (1, 3, H, W)
        Image at network scale, 0–1.
    pyramid : tuple of Tensor, each of shape (1, C, H / s, W / s)
        Features at the strides s of the network.
    """

    image: Tensor
    pyramid: tuple[Tensor, ...]


@dataclass(frozen=True, slots=True)
class TileGrid:
    """Tiles of equal size that cover a canvas of cells.

    Attributes
    ----------
    canvas : tuple of int
        Rows and columns of cells.
    core : tuple of int
        Rows and columns of cells that a tile answers for.
    halo : int
        Cells around the core that are encoded with it.
    """

    canvas: tuple[int, int]
    core: tuple[int, int]
    halo: int

    @classmethod
    def of(cls, canvas: tuple[int, int], largest: int, halo: int) -> TileGrid:
        """One tile if the canvas is at most `largest` cells long, else tiles with a halo."""
        if max(canvas) <= largest:
            return cls(canvas, canvas, 0)
        longest = max(1, largest - 2 * halo)
        rows, cols = (math.ceil(size / math.ceil(size / longest)) for size in canvas)
        return cls(canvas, (rows, cols), halo)

    def tiles(self, window: Box) -> Iterator[Box]:
        """Cores of the tiles that a window needs."""
        rows, cols = self.core
        for r0 in range(window.r0 // rows * rows, window.r1, rows):
            for c0 in range(window.c0 // cols * cols, window.c1, cols):
                yield Box(r0, c0, r0 + rows, c0 + cols).clip(self.canvas)

    def tile_at(self, row: int, col: int) -> Box:
        """Core of the tile that holds a cell."""
        return next(self.tiles(Box(row, col, row + 1, col + 1)))

    def with_halo(self, core: Box) -> Box:
        """Tile with its halo, as it is encoded."""
        return core.grow(self.halo).clip(self.canvas)


class Embedder:
    """Encodes tiles and hands out windows of them.

    Parameters
    ----------
    network : SegmentationNetwork
        Network that encodes.
    cache : EmbeddingCache
        Holds the encoded tiles.
    tile : int
        Longest side that is encoded at once, in network pixels.
    halo : int
        Network pixels around a tile that are encoded with it and thrown away; a quarter of a
        tile at most.
    """

    def __init__(
        self,
        network: SegmentationNetwork,
        cache: EmbeddingCache,
        tile: int = LARGEST_TILE,
        halo: int = HALO,
    ) -> None:
        self.network = network
        self.cache = cache
        self.tile = tile
        self.halo = halo

    def tile_grid(self, source: ImageSource, scale: Scale) -> TileGrid:
        """Tiles into which a slice is cut."""
        halo = min(self.halo, self.tile // 4)
        largest, cells = self.tile // scale.cell, math.ceil(halo / scale.cell)
        return TileGrid.of(scale.canvas(source.shape[1:]), max(1, largest), cells)

    def cut(self, source: ImageSource, z: int, scale: Scale, window: Box) -> Features:
        """Features of a window, from the cache where they are there.

        Parameters
        ----------
        source : ImageSource
            The image.
        z : int
            Slice index.
        scale : Scale
            Scale at which the network sees it.
        window : Box
            Window in cells; features are mirrored beyond the canvas.
        """
        tile_grid = self.tile_grid(source, scale)
        inside = window.clip(tile_grid.canvas)
        parts = [
            (tile.intersect(inside), tile, self._tile(source, z, scale, tile_grid, tile))
            for tile in tile_grid.tiles(inside)
        ]
        cut = []
        for level, stride in enumerate((1, *self.network.pyramid_strides)):
            factor = scale.cell // stride
            pieces = [
                (shared, entry[level][(..., *shared.within(tile).times(factor).slices)])
                for shared, tile, entry in parts
            ]
            joined = join(pieces, inside, factor, self.order)
            cut.append(mirrored(joined, inside.times(factor), window.times(factor)))
        return Features(cut[0], tuple(cut[1:]))

    def cut_alone(self, source: ImageSource, z: int, scale: Scale, window: Box) -> Features:
        """Features of a window that is encoded by itself, however large the slice is; cached.

        A window that is larger than a tile is cut out of tiles all the same.
        """
        if max(window.shape) * scale.cell > self.tile:
            return self.cut(source, z, scale, window)
        return self.encode_views(source, z, ((scale, window),))

    @torch.inference_mode()
    def encode_views(
        self, source: ImageSource, z: int, views: tuple[tuple[Scale, Box], ...]
    ) -> Features:
        """Features of windows of one size at several scales, a batch; cached together.

        The same windows make the same batch, and so the same features to the last bit.
        """

        def make() -> tuple[Tensor, ...]:
            image = torch.cat([shrunk(source, z, scale, window) for scale, window in views])
            image = image.to(self.cache.device).contiguous(memory_format=self.order)
            return (image, *self.network.encode(image))

        key: Hashable = (source.identity, z, views, id(self.network))
        image, *pyramid = (
            level.float().contiguous(memory_format=self.order)
            for level in self.cache.get(key, make)
        )
        return Features(image, tuple(pyramid))

    def encode_slice(
        self,
        source: ImageSource,
        z: int,
        scale: Scale,
        place: tuple[int, int] = (0, 0),
        is_stale: Callable[[], bool] = lambda: False,
    ) -> None:
        """Encode the tiles of a slice ahead of need, those around a pixel first.

        Half of the cache at most is filled, and another tile is begun only if that is not stale.
        """
        rows, cols = scale.canvas(source.shape[1:])
        tile_grid = self.tile_grid(source, scale)
        row, col = (position // scale.pixels for position in place)

        def distance(tile: Box) -> int:
            return max(tile.r0 - row, row - tile.r1, tile.c0 - col, col - tile.c1)

        room = self.cache.device_bytes // 2
        for tile in sorted(tile_grid.tiles(Box(0, 0, rows, cols)), key=distance):
            if is_stale() or room <= 0:
                return
            room -= size_of(self._tile(source, z, scale, tile_grid, tile))

    @property
    def order(self) -> torch.memory_format:
        """Order of the tensors in the device's memory."""
        return memory_format(self.cache.device)

    def _tile(
        self, source: ImageSource, z: int, scale: Scale, tile_grid: TileGrid, core: Box
    ) -> tuple[Tensor, ...]:
        key: Hashable = (source.identity, z, scale, core, tile_grid, id(self.network))
        return self.cache.get(key, lambda: self._encode(source, z, scale, tile_grid, core))

    @torch.inference_mode()
    def encode(self, source: ImageSource, z: int, scale: Scale, box: Box) -> Features:
        """Encode a box of cells in one go; nothing is looked up or kept.

        Parameters
        ----------
        source : ImageSource
            The image.
        z : int
            Slice index.
        scale : Scale
            Scale at which the network sees it.
        box : Box
            Box of cells; beyond the image its border is reflected.
        """
        image = shrunk(source, z, scale, box)
        image = image.to(self.cache.device).contiguous(memory_format=self.order)
        return Features(image, self.network.encode(image))

    def _encode(
        self, source: ImageSource, z: int, scale: Scale, tile_grid: TileGrid, core: Box
    ) -> tuple[Tensor, ...]:
        """Image and pyramid of a tile's core."""
        whole = tile_grid.with_halo(core)
        image, pyramid = self.encode(source, z, scale, whole)
        inner = core.within(whole)
        levels = zip((1, *self.network.pyramid_strides), (image, *pyramid), strict=True)
        return tuple(
            level[(..., *inner.times(scale.cell // stride).slices)].clone(memory_format=self.order)
            for stride, level in levels
        )


def shrunk(source: ImageSource, z: int, scale: Scale, box: Box) -> Tensor:
    """Image of a box of cells at network scale, (1, 3, H, W); on the CPU.

    A box of very many pixels, which a coarse scale makes few, is read and resampled in bands, with
    a cell's margin for the filter.
    """
    rows = max(1, LARGEST_READ // (box.times(scale.pixels).shape[1] * scale.pixels))
    bands = []
    for top in range(box.r0, box.r1, rows):
        bottom = min(top + rows, box.r1)
        first, last = max(top - 1, box.r0), min(bottom + 1, box.r1)
        read = box._replace(r0=first, r1=last)
        pixels = torch.from_numpy(source.read(z, read.times(scale.pixels)))[None]
        # on the CPU, as not every device has the filter
        band = resize(pixels, read.times(scale.cell).shape)
        bands.append(band[..., (top - first) * scale.cell : (bottom - first) * scale.cell, :])
    return bands[0] if len(bands) == 1 else torch.cat(bands, 2)


def resize(planes: Tensor, shape: tuple[int, int]) -> Tensor:
    """Resample (B, C, H, W) to another size, with a filter that shrinks without aliasing."""
    if tuple(planes.shape[-2:]) == shape:
        return planes
    return F.interpolate(planes, shape, mode="bilinear", align_corners=False, antialias=True)


def mirrored(values: Tensor, inside: Box, window: Box) -> Tensor:
    """Values of a box, (B, C, H, W), continued by their mirror image to a larger one."""
    if inside == window:
        return values
    rows, cols = (
        torch.arange(low - start, high - start, device=values.device)
        for low, high, start in (
            (window.r0, window.r1, inside.r0),
            (window.c0, window.c1, inside.c0),
        )
    )
    height, width = inside.shape
    return values[..., _mirror(rows, height)[:, None], _mirror(cols, width)]


def _mirror(index: Tensor, size: int) -> Tensor:
    """Index inside 0 … size − 1 whose mirror images outside are the given ones."""
    turn = index.remainder(2 * size)
    return torch.minimum(turn, 2 * size - 1 - turn)


def join(
    pieces: list[tuple[Box, Tensor]], window: Box, factor: int, order: torch.memory_format
) -> Tensor:
    """Put the parts of a window together, float32.

    Parameters
    ----------
    pieces : list of (Box, Tensor)
        Parts of the window, in cells, and the tensors there.
    window : Box
        Window in cells.
    factor : int
        Points of the tensors along a cell.
    order : torch.memory_format
        Memory format of the result.
    """
    first = pieces[0][1]
    if len(pieces) == 1:
        return first.float().contiguous(memory_format=order)
    shape = (*first.shape[:2], *window.times(factor).shape)
    joined = torch.empty(shape, device=first.device, memory_format=order)
    for shared, piece in pieces:
        joined[(..., *shared.within(window).times(factor).slices)] = piece
    return joined
