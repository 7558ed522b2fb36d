"""Layers' data as stacks: read lazily, written in place."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_gpcis.engine import Box
from napari_gpcis.engine.document.label_store import LabelStore
from napari_gpcis.engine.image import ImageSource
from napari_gpcis.widget.layers import arrays
from napari_gpcis.widget.layers.arrays import StackView, image_stack, labels_array, stack_of
from napari_gpcis.widget.layers.frame import Frame


class Lazy:
    """What zarr and h5py offer: integers and slices only. Notes what is read."""

    def __init__(self, values: Any) -> None:
        self.values = values
        self.shape, self.dtype = values.shape, values.dtype
        self.ndim, self.size = values.ndim, values.size
        self.read: list[int] = []

    def __getitem__(self, key: Any) -> Any:
        assert all(isinstance(part, int | slice) for part in key)
        found = self.values[key]
        self.read.append(found.size)
        return found

    def __setitem__(self, key: Any, values: Any) -> None:
        assert all(isinstance(part, int | slice) for part in key)
        self.values[key] = values


def numbers(*shape: int) -> Any:
    return np.arange(np.prod(shape), dtype=np.uint32).reshape(shape)


def test_labels_are_written_through_a_view() -> None:
    for sizes, displayed in (((30, 40), (0, 1)), ((2, 3, 30, 40), (2, 3)), ((9, 30, 40), (0, 2))):
        frame = Frame.of(sizes, displayed)
        data = np.zeros(sizes, np.int32)
        stack = stack_of(data, frame)
        assert isinstance(stack, np.ndarray)
        assert np.shares_memory(stack, data)
        stack[frame.shape[0] - 1, 1:3, 4:6] = 7
        assert data[frame.index(frame.shape[0] - 1, Box(1, 4, 3, 6))].tolist() == [[7, 7], [7, 7]]
        assert data.sum() == 4 * 7


def test_labels_are_written_where_no_view_can_be() -> None:
    frame = Frame.of((2, 3, 30, 40), (1, 3))
    data = np.zeros((2, 3, 30, 40), np.uint16)
    stack = stack_of(data, frame)
    assert isinstance(stack, StackView)
    assert (stack.shape, stack.dtype) == ((60, 3, 40), np.uint16)
    stack[35, 0:2, 4:6] = [[1, 2], [3, 4]]
    assert data[1, 0:2, 5, 4:6].tolist() == [[1, 2], [3, 4]]
    assert data.sum() == 10
    assert np.array_equal(np.asarray(stack)[35], stack[35])
    assert len(list(stack)) == 60
    with pytest.raises(IndexError):
        stack[60]


@pytest.mark.parametrize("displayed", [(2, 3), (1, 3), (0, 1)])
def test_the_engine_writes_labels_into_the_layer(displayed: tuple[int, int]) -> None:
    frame = Frame.of((2, 3, 8, 9), displayed)
    layer = Labels(np.zeros((2, 3, 8, 9), np.uint16))
    store = LabelStore(frame.shape, stack_of(layer.data, frame), in_place=True)
    box = Box(0, 0, 2, 2)
    patch = store.plan(4, box, np.ones((2, 2), np.bool_), 5, "protect")
    assert patch is not None
    store.write(patch)
    assert (layer.data[frame.index(4, box)] == 5).all()
    assert layer.data.sum() == 20
    store.write(patch, back=True)
    assert not layer.data.any()


@pytest.mark.parametrize("displayed", [(2, 3), (0, 3)])
def test_of_a_channel_axis_labels_keep_one(displayed: tuple[int, int]) -> None:
    frame = Frame.of((7, 2, 30, 40), displayed, 1)
    data = np.zeros(frame.data_shape, np.uint8)
    stack = stack_of(data, frame)
    assert stack.shape == frame.shape
    stack[3, 1:2, 2:3] = 9
    assert data[frame.pixel(3, 1, 2)] == 9
    with pytest.raises(ValueError, match="expected data of shape"):
        stack_of(np.zeros((7, 2, 30, 40), np.uint8), frame)


def test_numpy_images_are_viewed() -> None:
    data = numbers(2, 3, 30, 40)
    stack, arguments = image_stack(Image(data), Frame.of((2, 3, 30, 40), (2, 3)))
    assert np.shares_memory(stack, data)
    assert arguments["channel_axis"] is None
    assert np.array_equal(stack, data.reshape(6, 30, 40))


@pytest.mark.parametrize("lazy", [False, True])
def test_colours_and_channels_come_last(lazy: bool) -> None:
    wrap = Lazy if lazy else np.asarray
    rgb = numbers(5, 30, 40, 3).astype(np.uint8)
    stack, arguments = image_stack(Image(wrap(rgb), rgb=True), Frame.of((5, 30, 40), (1, 2)))
    source = ImageSource(stack, **arguments)
    assert source.is_rgb
    assert source.shape == (5, 30, 40)
    assert np.array_equal(stack[3, 4:6, 7:9], rgb[3, 4:6, 7:9])

    channels = numbers(5, 2, 30, 40)
    frame = Frame.of((5, 2, 30, 40), (2, 3), 1)
    stack, arguments = image_stack(Image(wrap(channels)), frame)
    source = ImageSource(stack, **arguments, channels=[1])
    assert source.shape == (5, 30, 40)
    assert arguments["channel_axis"] == 3
    assert np.array_equal(stack[3, 4:6, 7:9, 1], channels[3, 1, 4:6, 7:9])
    assert np.array_equal(stack[3, 4:6, 7:9, 0:2], np.moveaxis(channels[3, :, 4:6, 7:9], 0, -1))


@pytest.mark.parametrize("channel_axis", [0, 1, 2, 3])
def test_the_engine_reads_channels_wherever_they_are(channel_axis: int) -> None:
    plain = np.random.default_rng(0).random((6, 30, 40, 2))
    data = np.moveaxis(plain, -1, channel_axis)
    displayed = [axis for axis in range(4) if axis != channel_axis][1:]
    frame = Frame.of(data.shape, displayed, channel_axis)
    expected = ImageSource(plain, channel_axis=3).read(4, Box(2, 3, 20, 30))
    for wrap in (np.asarray, Lazy):
        stack, arguments = image_stack(Image(wrap(data)), frame)
        assert np.array_equal(ImageSource(stack, **arguments).read(4, Box(2, 3, 20, 30)), expected)


@pytest.mark.parametrize(
    ("labels", "scale", "spacing"),
    [
        (("z", "y", "x"), (2.0, 0.5, 0.5), 4),
        (("t", "y", "x"), (2.0, 0.5, 0.5), 1),
        (("z", "y", "x"), (1.0, 1.0, 1.0), 1),
    ],
)
def test_slices_are_as_far_apart_as_the_layer_says(labels, scale, spacing) -> None:
    layer = Image(numbers(5, 30, 40), axis_labels=labels, scale=scale)
    _, arguments = image_stack(layer, Frame.of((5, 30, 40), (1, 2)))
    assert arguments["spacing"] == pytest.approx(spacing)


def test_a_flat_image_is_a_stack_of_one() -> None:
    data = numbers(30, 40)
    for wrap in (np.asarray, Lazy):
        stack, arguments = image_stack(Image(wrap(data)), Frame.of((30, 40), (0, 1)))
        assert ImageSource(stack, **arguments).shape == (1, 30, 40)
        assert np.array_equal(stack[0], data)


def test_of_dask_only_the_chunks_of_a_slice_are_read() -> None:
    read: list[tuple[int, ...]] = []

    def block(block_info: Any = None) -> Any:
        read.append(tuple(block_info[None]["chunk-location"]))
        return np.ones((1, 1, 20, 20), np.uint8)

    data = da.map_blocks(block, chunks=((1,) * 2, (1,) * 3, (20,) * 2, (20,) * 3), dtype=np.uint8)
    stack, arguments = image_stack(
        Image(data, cache=False, contrast_limits=(0, 1)), Frame.of(data.shape, (2, 3))
    )
    read.clear()
    source = ImageSource(stack, **arguments)
    assert read == []
    source.read(4, Box(0, 0, 40, 60))
    assert {place[:2] for place in read} == {(1, 1)}
    read.clear()
    stack[4, 0:10, 0:10]
    assert read == [(1, 1, 0, 0)]


def test_of_lazy_data_only_what_is_asked_for_is_read() -> None:
    data = Lazy(numbers(6, 30, 40))
    layer = Image(data, contrast_limits=(0, 1))
    data.read.clear()
    stack, _ = image_stack(layer, Frame.of(data.shape, (1, 2)))
    assert data.read == []
    assert stack[4, 2:6:2, 3:5].shape == (2, 2)
    assert data.read == [4]


def test_of_a_multiscale_image_the_finest_level_is_read() -> None:
    levels = [Lazy(numbers(6, 64, 80)), Lazy(numbers(6, 32, 40))]
    layer = Image(levels, multiscale=True, contrast_limits=(0, 1))
    levels[0].read.clear()
    stack, _ = image_stack(layer, Frame.of((6, 64, 80), (1, 2)))
    assert levels[0].read == []
    assert np.array_equal(stack[2], levels[0].values[2])


def test_memory_mapped_images_are_not_copied(tmp_path: Any) -> None:
    mapped = np.memmap(tmp_path / "image.raw", np.uint16, "w+", shape=(2, 3, 30, 40))
    stack, _ = image_stack(Image(mapped), Frame.of(mapped.shape, (2, 3)))
    assert np.shares_memory(stack, mapped)


def test_images_that_are_not_what_the_frame_was_made_of_are_refused() -> None:
    with pytest.raises(ValueError, match="choose the image again"):
        image_stack(Image(numbers(5, 30, 40)), Frame.of((6, 30, 40), (1, 2)))


def test_colours_opened_as_columns_are_refused() -> None:
    layer = Image(numbers(30, 40, 3), rgb=False)
    with pytest.raises(ValueError, match="open the image with rgb=True"):
        image_stack(layer, Frame.of((30, 40, 3), (1, 2)))


def test_new_labels_are_zeros() -> None:
    labels = labels_array((3, 4, 5), np.uint16)
    assert (labels.shape, labels.dtype, labels.any()) == ((3, 4, 5), np.uint16, np.False_)


def test_labels_larger_than_memory_are_a_file_that_vanishes(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays, "LARGEST_IN_MEMORY", 0)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    labels = labels_array((3, 40, 50), np.int32)
    assert isinstance(labels, np.memmap)
    labels[1, 2:4] = 6
    frame = Frame.of(labels.shape, (1, 2))
    assert stack_of(Labels(labels).data, frame)[1, 3, 7] == 6
    assert labels.sum() == 600
    del labels
    assert list(tmp_path.iterdir()) == []


def test_labels_that_no_disk_holds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "LARGEST_IN_MEMORY", 0)
    with pytest.raises(ValueError, match=r"crop the image, or set TMPDIR"):
        labels_array((1 << 20, 1 << 20, 1 << 10), np.uint8)
