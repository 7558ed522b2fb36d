from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest

from napari_gpcis.engine import Box, Normalisation
from napari_gpcis.engine.image import SLICES_HELD, ImageSource
from napari_gpcis.engine.normalise import hues
from tests.engine.conftest import Watched

WHOLE = Box(0, 0, 12, 16)


def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize(
    ("shape", "channel_axis", "slices", "channels"),
    [
        ((12, 16), None, 1, 1),
        ((12, 16, 3), None, 1, 3),
        ((12, 16, 4), None, 1, 4),
        ((12, 16, 2), None, 1, 2),
        ((12, 16, 20), None, 12, 1),
        ((5, 12, 16), None, 5, 1),
        ((2, 12, 16), 0, 1, 2),
        ((5, 12, 16, 3), None, 5, 3),
        ((5, 6, 12, 16), 1, 5, 6),
        ((6, 5, 12, 16), 0, 5, 6),
        ((12, 16, 9), -1, 1, 9),
    ],
)
def test_axes_are_told_apart(shape, channel_axis, slices, channels):
    source = ImageSource(np.zeros(shape), channel_axis=channel_axis)
    assert source.shape[0] == slices
    assert source.axes.channel_count == channels
    assert source.is_stack == (slices > 1)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros(5), "Y, X.*index the other axes away"),
        (np.zeros((2, 3, 20, 20)), "channel_axis"),
        (np.zeros((0, 4)), "empty"),
        (np.zeros((8, 8), complex), "complex128; take its magnitude"),
        (np.full((8, 8), None), "object; convert it"),
        (np.full((8, 8), "a"), "astype"),
        ([np.zeros((8, 8)), np.zeros((4, 4))], "multiscale"),
    ],
)
def test_what_is_no_image_is_refused_with_a_remedy(image, message):
    with pytest.raises(ValueError, match=message):
        ImageSource(image)


def test_a_channel_or_axis_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="channel_axis between 0 and 2, got 3"):
        ImageSource(np.zeros((8, 8, 3)), channel_axis=3)
    with pytest.raises(ValueError, match=r"channels between 0 and 2, got \[3\]"):
        ImageSource(np.zeros((8, 8, 3)), channels=[3])


@pytest.mark.parametrize("channels", [[1], [0, 2], [2, 1, 0], [0, 1], [-1]])
@pytest.mark.parametrize("axis", [0, 1, 2, 3])
def test_chosen_channels_are_read_wherever_their_axis_is(axis, channels):
    stack = rng().random((3, 12, 16, 3))
    wanted = ImageSource(stack, channels=channels).read(1, WHOLE)
    moved = Watched(np.moveaxis(stack, 3, axis))
    given = ImageSource(moved, channel_axis=axis, channels=channels)
    np.testing.assert_array_equal(given.read(1, WHOLE), wanted)


@pytest.mark.parametrize(
    "dtype", ["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]
)
def test_every_type_fills_the_range_from_0_to_1(dtype):
    values = rng().integers(0, 2, (12, 16)) if dtype == "?" else rng().integers(-90, 90, (12, 16))
    if dtype.startswith("u"):
        values += 90
    planes = ImageSource(values.astype(dtype)).read(0, WHOLE)
    assert planes.dtype == np.float32
    assert planes.shape == (3, 12, 16)
    assert planes.min() == 0
    assert planes.max() == pytest.approx(1)
    order = np.argsort(values.ravel(), kind="stable")
    assert (np.diff(planes[0].ravel()[order]) >= 0).all()


def test_the_largest_floats_do_not_overflow():
    image = 1.7e308 * np.linspace(-1, 1, 192).reshape(12, 16)
    planes = ImageSource(image, normalisation=Normalisation(0, 100)).read(0, WHOLE)
    np.testing.assert_allclose(planes[0], np.linspace(0, 1, 192).reshape(12, 16), atol=1e-6)


def test_nan_and_infinity_do_not_spoil_the_rest():
    image = rng().random((12, 16))
    image[0, :3] = 0.5
    clean = ImageSource(image, normalisation=Normalisation(0, 100)).read(0, WHOLE)
    image[0, :3] = np.nan, np.inf, -np.inf
    planes = ImageSource(image, normalisation=Normalisation(0, 100)).read(0, WHOLE)
    np.testing.assert_array_equal(planes[:, 0, :3], [[0, 1, 0]] * 3)
    np.testing.assert_array_equal(planes[:, 1:], clean[:, 1:])


@pytest.mark.parametrize("value", [0, 7, np.nan, np.inf, 5e-324])
def test_constant_images_become_zeros(value):
    planes = ImageSource(np.full((12, 16), value)).read(0, WHOLE)
    np.testing.assert_array_equal(planes, 0)


def test_a_few_bright_pixels_on_a_constant_background_stay_visible():
    image = np.zeros((120, 160))
    image[3, 4] = 9
    planes = ImageSource(image).read(0, Box(0, 0, 120, 160))
    assert planes[0, 3, 4] == 1
    assert planes.sum() == 3


def test_rgb_keeps_its_hue_and_ignores_alpha():
    image = rng().integers(0, 200, (12, 16, 4)).astype(np.uint8)
    image[..., 3] = 255
    planes = ImageSource(image, normalisation=Normalisation(0, 100)).read(0, WHOLE)
    colours = image[..., :3].astype(float)
    wanted = (colours - colours.min()) / (colours.max() - colours.min())
    np.testing.assert_allclose(planes, np.moveaxis(wanted, -1, 0), atol=1e-6)


def test_channels_of_a_microscope_are_stretched_one_by_one_and_coloured():
    image = rng().random((2, 12, 16)) * np.array([1.0, 1000.0])[:, None, None]
    source = ImageSource(image, channel_axis=0, normalisation=Normalisation(0, 100))
    planes = source.read(0, WHOLE)
    low, high = image.min((1, 2), keepdims=True), image.max((1, 2), keepdims=True)
    first, second = (image - low) / (high - low)
    np.testing.assert_allclose(planes, [first, second, second], atol=1e-6)


@pytest.mark.parametrize("count", [2, 3, 5, 12])
def test_mixed_channels_stay_between_0_and_1(count):
    np.testing.assert_allclose(hues(count).sum(0), 1, rtol=1e-6)
    assert (hues(count) >= 0).all()
    if count == 3:
        np.testing.assert_array_equal(hues(3), np.eye(3))


def test_beyond_the_border_the_image_is_reflected():
    image = rng().random((12, 16))
    source = ImageSource(image)
    inner, outer = source.read(0, WHOLE), source.read(0, Box(-2, 0, 15, 20))
    np.testing.assert_array_equal(outer[:, 2:14, :16], inner)
    np.testing.assert_array_equal(outer[:, :2, :16], inner[:, 1::-1])
    np.testing.assert_array_equal(outer[:, 2:14, 16:], inner[:, :, :11:-1])


def test_a_slice_that_is_smaller_than_its_padding_is_reflected_again():
    planes = ImageSource(rng().random((1, 3))).read(0, Box(0, 0, 32, 32))
    assert planes.shape == (3, 32, 32)
    assert np.isfinite(planes).all()


def test_a_lazy_stack_is_read_one_slice_at_a_time_and_once():
    stack = Watched(rng().random((6, 12, 16)))
    source = ImageSource(stack)
    source.read(4, Box(0, 0, 4, 4))
    source.read(4, Box(2, 3, 9, 9))
    assert [key[0] for key in stack.reads] == [4]
    source.read(1, WHOLE)
    assert [key[0] for key in stack.reads] == [4, 1]


def test_the_last_few_slices_are_held_and_no_more(monkeypatch):
    stack = Watched(rng().random((9, 12, 16)))
    source = ImageSource(stack)
    for z in (0, 1, 0, 1, 2, 1, 2, 3):  # neighbours are compared
        source.read(z, WHOLE)
    assert [key[0] for key in stack.reads] == [0, 1, 2, 3]
    for z in range(9):
        source.read(z, WHOLE)
    assert len(source._held) == SLICES_HELD
    monkeypatch.setattr("napari_gpcis.engine.image.LARGEST_HELD", 12 * 16 * 8 * 2)
    source.read(0, WHOLE)
    assert len(source._held) == 2


def test_the_ranges_of_a_long_stack_do_not_pile_up(monkeypatch):
    monkeypatch.setattr("napari_gpcis.engine.image.RANGES_HELD", 5)
    source = ImageSource(rng().random((20, 12, 16)))
    first = source.range_of(0)
    for z in range(20):
        source.range_of(z)
    assert len(source._ranges) == 5
    np.testing.assert_array_equal(source.range_of(0).low, first.low)


def test_two_slices_are_read_at_once_and_each_of_them_once():
    class Slow(Watched):
        meeting = Barrier(2)

        def __getitem__(self, key):
            self.meeting.wait(10)  # breaks unless another slice is being read, too
            return super().__getitem__(key)

    stack = Slow(rng().random((2, 12, 16)))
    source = ImageSource(stack)
    with ThreadPoolExecutor(4) as pool:
        planes = list(pool.map(lambda z: source.read(z, WHOLE), (0, 1, 0, 1)))
    assert sorted(key[0] for key in stack.reads) == [0, 1]
    np.testing.assert_array_equal(planes[0], planes[2])


def test_a_slice_too_large_to_hold_is_read_by_regions(monkeypatch):
    monkeypatch.setattr("napari_gpcis.engine.image.LARGEST_HELD", 100)
    image = rng().random((12, 16))
    lazy = Watched(image)
    planes = ImageSource(lazy).read(0, Box(2, 3, 5, 9))
    np.testing.assert_array_equal(planes, ImageSource(image).read(0, Box(2, 3, 5, 9)))
    assert (slice(2, 5, 1), slice(3, 9, 1)) in lazy.reads


def test_dask_arrays_are_read():
    dask = pytest.importorskip("dask.array")
    image = rng().random((4, 12, 16))
    lazy = dask.from_array(image, chunks=(1, 6, 8))
    np.testing.assert_array_equal(
        ImageSource(lazy).read(2, WHOLE), ImageSource(image).read(2, WHOLE)
    )


def test_the_range_of_a_stack_is_shared_when_asked_for():
    stack = np.stack([np.linspace(0, top, 192).reshape(12, 16) for top in (1, 10)])
    per_slice = ImageSource(stack, normalisation=Normalisation(0, 100))
    assert per_slice.read(0, WHOLE).max() == per_slice.read(1, WHOLE).max() == 1
    shared = ImageSource(stack, normalisation=Normalisation(0, 100, "stack"))
    assert shared.read(0, WHOLE).max() == pytest.approx(0.1)
    assert shared.read(1, WHOLE).max() == 1


def test_percentiles_of_a_large_slice_come_from_a_sample():
    image = np.broadcast_to(np.arange(20_000, dtype=np.uint16), (20_000, 20_000))
    given = ImageSource(image).range_of(0)
    assert given.low[0] == pytest.approx(20, abs=60)
    assert given.high[0] == pytest.approx(19_980, abs=60)


def test_impossible_percentiles_are_refused():
    with pytest.raises(ValueError, match="0 ≤ low < high ≤ 100"):
        Normalisation(50, 10)
