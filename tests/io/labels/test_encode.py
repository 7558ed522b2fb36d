from __future__ import annotations

import zlib
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import pytest

from napari_gpcis.io.labels.encode import EncodedPage, background_tile, encode_page, tile_shape


def page_of_objects(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Blocks of labels, among them some large ones, on background."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, np.int64)
    for label in rng.integers(1, 60_000, 12):
        row, col = rng.integers(0, shape)
        labels[row : row + 30, col : col + 40] = label
    return labels


PAGE = page_of_objects((150, 220))


class BandsOnly:
    """A page that notes how much of it is read at once."""

    def __init__(self, labels: np.ndarray) -> None:
        self.labels = labels
        self.shape = labels.shape
        self.rows_read: list[int] = []

    def __getitem__(self, key: tuple[slice, slice]) -> np.ndarray:
        self.rows_read.append(len(range(self.shape[0])[key[0]]))
        return self.labels[key]


@pytest.mark.parametrize("tile", [16, 64, 512])
@pytest.mark.parametrize("dtype", [np.uint16, np.uint32])
def test_what_is_encoded_is_decoded(tile: int, dtype: type) -> None:
    page = encode_page(PAGE, dtype, tile)
    assert page.shape == PAGE.shape
    assert page.decode().dtype == dtype
    np.testing.assert_array_equal(page.decode(), PAGE)
    assert page.labels == tuple(np.unique(PAGE)[1:].tolist())


@pytest.mark.parametrize("shape", [(1, 1), (16, 16), (17, 33), (64, 5), (300, 2)])
def test_pages_of_any_size_are_encoded(shape: tuple[int, int]) -> None:
    labels = np.arange(np.prod(shape)).reshape(shape) % 7
    np.testing.assert_array_equal(encode_page(labels, np.uint16, 32).decode(), labels)


CUTS = [
    slice(None),
    slice(0, 0),
    slice(5, 6),
    slice(30, 140),
    slice(140, 30),
    slice(3, None, 7),
    slice(None, None, 90),
    slice(-20, None),
    slice(None, None, -1),
    slice(145, 2, -13),
]


@pytest.mark.parametrize("rows", CUTS, ids=str)
def test_an_encoded_page_is_cut_like_an_array(rows: slice) -> None:
    page = encode_page(PAGE, np.uint16, 32)
    for columns in CUTS:
        np.testing.assert_array_equal(page[rows, columns], PAGE[rows, columns])


def test_only_tiles_that_are_met_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    page = encode_page(np.arange(64 * 64).reshape(64, 64), np.uint16, 16)
    decoded = []
    decompress = zlib.decompress
    monkeypatch.setattr(zlib, "decompress", lambda tile: decoded.append(tile) or decompress(tile))
    assert page[17:18, 20:40].tolist() == [list(range(17 * 64 + 20, 17 * 64 + 40))]
    assert decoded == [page.tiles[5], page.tiles[6]]


def test_a_page_is_read_in_bands_each_once() -> None:
    page = BandsOnly(PAGE)
    encode_page(page, np.uint16, 32)
    assert page.rows_read == [32, 32, 32, 32, 22]


def test_the_same_page_gives_the_same_bytes_on_any_thread() -> None:
    with ThreadPoolExecutor(4) as pool:
        pages = list(pool.map(lambda _: encode_page(PAGE, np.uint16, 32).to_bytes(), range(8)))
    assert set(pages) == {encode_page(BandsOnly(PAGE), np.uint16, 32).to_bytes()}


def test_a_page_survives_as_bytes() -> None:
    for labels, dtype in product((PAGE, PAGE * 0), (np.uint16, np.uint32)):
        page = encode_page(labels, dtype, 48)
        again = EncodedPage.from_bytes(page.to_bytes())
        for name in ("shape", "dtype", "tile", "tiles", "labels"):
            assert getattr(again, name) == getattr(page, name)


def test_bytes_cut_short_are_no_page() -> None:
    content = encode_page(PAGE, np.uint16, 64).to_bytes()
    for length in (0, 10, 60, 200, len(content) - 1):
        with pytest.raises(ValueError, match="encode"):
            EncodedPage.from_bytes(content[:length])


def test_tiles_are_zlib_streams_of_little_endian_rows() -> None:
    labels = PAGE.copy()
    labels[100, 200] = 300
    tile = encode_page(labels, np.uint16, 64).tiles[1 * 4 + 3]
    pixels = np.frombuffer(zlib.decompress(tile), "<u2").reshape(64, 64)
    np.testing.assert_array_equal(pixels[:, :28], labels[64:128, 192:])
    assert not pixels[:, 28:].any()


def test_tiles_of_background_cost_nothing() -> None:
    page = encode_page(np.zeros((2000, 2000), np.uint8), np.uint16)
    assert set(page.tiles) == {b""}
    assert len(page.to_bytes()) < 300
    assert zlib.decompress(background_tile(page.tile, page.dtype)) == bytes(512 * 512 * 2)


def test_a_tile_of_one_label_is_not_taken_for_background() -> None:
    page = encode_page(np.full((64, 100), 9), np.uint16, 32)
    assert page.labels == (9,)
    assert (page.decode() == 9).all()


@pytest.mark.parametrize(("label", "dtype"), [(65_536, np.uint16), (-1, np.uint16), (2**32, "u4")])
def test_labels_that_the_type_does_not_hold_are_refused(label: int, dtype: object) -> None:
    labels = PAGE.copy()
    labels[149, 219] = label
    with pytest.raises(ValueError, match=f"expected labels from 0 to .*, got {label}; choose"):
        encode_page(labels, dtype)


def test_tiles_are_no_larger_than_the_page_needs() -> None:
    assert tile_shape((40, 5000)) == (48, 512)
    for tile in (0, 8, 100):
        with pytest.raises(ValueError, match="expected a multiple of 16"):
            tile_shape((40, 5000), tile)
