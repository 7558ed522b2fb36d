"""Layers lie exactly over the image, whatever transforms it has."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Points

from napari_gpcis.widget.layers.frame import Frame
from napari_gpcis.widget.layers.transforms import (
    data_position,
    follow_transform,
    layer_transform,
    with_offset,
)

# Transforms that mix all axes are the hardest ones for the coordinates; napari only shows them ill.
pytestmark = pytest.mark.filterwarnings("ignore:Non-orthogonal slicing:UserWarning")


def tilted(ndim: int, data: Any = None, **more: Any) -> Image:
    """Image with everything napari knows: anisotropic, shifted, sheared, rotated, and moved again.

    Transforms mix all axes.
    """
    generator = np.random.default_rng(ndim)
    rotate, _ = np.linalg.qr(generator.normal(size=(ndim, ndim)))
    affine = np.eye(ndim + 1)
    affine[:-1] += generator.normal(size=(ndim, ndim + 1)) / 4
    data = np.zeros((6, 7, 8, 9)[-ndim:]) if data is None else data
    return Image(
        data,
        scale=generator.uniform(0.2, 4, ndim),
        translate=generator.normal(size=ndim) * 10,
        shear=generator.normal(size=ndim * (ndim - 1) // 2),
        rotate=rotate,
        affine=affine,
        units=("um",) * ndim,
        axis_labels="tzyx"[-ndim:],
        **more,
    )


@pytest.mark.parametrize("ndim", [2, 3, 4])
def test_labels_and_points_lie_where_the_image_does(ndim: int) -> None:
    image = tilted(ndim)
    transform = layer_transform(image)
    places = np.random.default_rng(0).uniform(-5, 20, (10, ndim))
    layers = (
        Labels(np.zeros(image.data.shape, np.uint8), **transform),
        Points(places, **transform),
        Image(np.zeros(image.data.shape), **transform),
    )
    for layer in layers:
        assert (layer.units, layer.axis_labels) == (image.units, image.axis_labels)
        for place in places:
            np.testing.assert_allclose(layer.data_to_world(place), image.data_to_world(place))


def test_layers_over_a_colour_image_have_no_axis_for_colours() -> None:
    image = tilted(2, np.zeros((30, 40, 3), np.uint8), rgb=True)
    labels = Labels(np.zeros((30, 40), np.uint8), **layer_transform(image))
    np.testing.assert_allclose(labels.data_to_world((3, 4)), image.data_to_world((3, 4)))


def test_a_lower_triangular_shear_is_kept() -> None:
    image = Image(np.zeros((30, 40)), shear=[[1, 0], [0.5, 1]], scale=(2, 3))
    labels = Labels(np.zeros((30, 40), np.uint8), **layer_transform(image))
    np.testing.assert_allclose(labels.data_to_world((3, 4)), image.data_to_world((3, 4)))


def test_the_affine_is_not_shared_with_the_image() -> None:
    image = tilted(2)
    labels = Labels(np.zeros((8, 9), np.uint8), **layer_transform(image))
    before = image.affine.affine_matrix.copy()
    labels.affine.translate = (99, 99)
    np.testing.assert_array_equal(image.affine.affine_matrix, before)


@pytest.mark.parametrize("ndim", [2, 3, 4])
def test_part_of_a_slice_lies_on_its_pixels(ndim: int) -> None:
    image = tilted(ndim)
    frame = Frame.of(image.data.shape, (ndim - 2, ndim - 1))
    z, top, left, height, width = frame.shape[0] - 1, 2, 3, 4, 5
    values = frame.expand(np.zeros((height, width)))
    part = Image(values, **with_offset(layer_transform(image), frame.to_data(z, top, left)))
    for row, col in ((-0.5, -0.5), (height - 0.5, -0.5), (-0.5, width - 0.5), (height, width)):
        corner = np.zeros(ndim)
        corner[-2:] = row, col
        whole = frame.to_data(z, top + row, left + col)
        np.testing.assert_allclose(part.data_to_world(corner), image.data_to_world(whole))


@pytest.mark.parametrize("channel_axis", [0, 1])
def test_clicks_and_labels_show_at_every_channel(channel_axis: int) -> None:
    sizes = [4, 30, 40]
    sizes.insert(channel_axis, 3)
    viewer = ViewerModel()
    scale, translate = (1.0, 2.0, 0.5, 0.5), (10, 20, 30, 40)
    image = viewer.add_image(np.zeros(sizes), scale=scale, translate=translate)
    frame = Frame.of_layer(image, viewer, channel_axis)
    transform = layer_transform(image, frame)
    before = viewer.dims.range
    labels = viewer.add_labels(np.zeros(frame.data_shape, np.uint8), **transform)
    points = viewer.add_points([frame.to_data(2, 5, 6)], **transform)
    labels.data[frame.pixel(2, 5, 6)] = 7
    assert viewer.dims.range == before
    other = 1 - channel_axis
    for channel in range(3):
        for z in range(4):
            index = np.zeros(4)
            index[[channel_axis, other, 2, 3]] = channel, z, 5, 6
            world = image.data_to_world(index)
            viewer.dims.point = world
            assert viewer.dims.nsteps[channel_axis] == 3
            assert labels.get_value(world, world=True) == (7 if z == 2 else 0)
            assert points.get_value(world, world=True) == (0 if z == 2 else None)
            assert frame.to_click(data_position(image, world)) == (z, 5, 6)
            assert frame.to_click(data_position(labels, world)) == (z, 5, 6)


def test_a_layer_follows_the_image() -> None:
    image = tilted(3)
    frame = Frame.of(image.data.shape, (1, 2), 0)
    layers = [
        Labels(np.zeros(image.data.shape, np.uint8), **layer_transform(image)),
        Labels(np.zeros(frame.data_shape, np.uint8), **layer_transform(image, frame)),
    ]
    disconnect = [
        follow_transform(layers[0], image),
        follow_transform(layers[1], image, frame),
    ]
    source = tilted(3, np.zeros((1, 1, 1)))
    changes = {
        "scale": (3, 2, 1),
        "translate": (1, 2, 3),
        "rotate": source.rotate[::-1],
        "shear": (0.1, 0.2, 0.3),
        "affine": np.diag([2.0, 3, 4, 1]),
        "units": ("nm", "nm", "nm"),
        "axis_labels": ("a", "b", "c"),
    }
    for name, value in changes.items():
        setattr(image, name, value)
        place = (3.0, 4.0, 5.0)
        np.testing.assert_allclose(layers[0].data_to_world(place), image.data_to_world(place))
        middle = (image.data.shape[0] - 1) / 2
        np.testing.assert_allclose(
            layers[1].data_to_world((0, 4, 5)), image.data_to_world((middle, 4, 5))
        )
    assert layers[0].units == image.units
    assert layers[0].axis_labels == ("a", "b", "c")
    for end in disconnect:
        end()
    image.scale = (9, 9, 9)
    assert layers[0].scale.tolist() == [3, 2, 1]


def test_only_what_changed_is_set_again() -> None:
    image = tilted(2)
    layer = Labels(np.zeros((8, 9), np.uint8), **layer_transform(image))
    follow_transform(layer, image)
    heard: list[str] = []
    layer.events.connect(lambda event: heard.append(event.type))
    image.translate = (4, 5)
    image.scale = image.scale.copy()
    moved = {"scale", "translate", "rotate", "shear", "affine", "units", "axis_labels"}
    assert [name for name in heard if name in moved] == ["translate"]


def test_a_layer_that_follows_survives_an_image_of_other_axes() -> None:
    image = Image(np.zeros((7, 30, 40)))
    layer = Labels(np.zeros((7, 30, 40), np.uint8), **layer_transform(image))
    follow_transform(layer, image)
    image.data = np.zeros((30, 40))
    image.scale = (2, 2)
    assert layer.scale.tolist() == [1, 1, 1]


@pytest.mark.parametrize("ndim", [2, 3, 4])
def test_world_positions_come_back_through_all_transforms(ndim: int) -> None:
    image = tilted(ndim)
    place = (5.0, 4.25, 3.5, 6.0)[-ndim:]
    world = image.data_to_world(place)
    np.testing.assert_allclose(data_position(image, world), place)
    # a viewer with more axes: the last ones are the layer's
    np.testing.assert_allclose(data_position(image, (17.0, -3.0, *world)), place)


def test_positions_in_finer_units_of_the_viewer_are_converted() -> None:
    viewer = ViewerModel()
    coarse = viewer.add_image(np.zeros((30, 40)), units=("um", "um"), scale=(0.5, 0.5))
    viewer.add_image(np.zeros((30, 40)), units=("nm", "nm"), scale=(500, 500))
    assert [str(unit) for unit in viewer.dims.units] == ["nanometer"] * 2
    place = data_position(coarse, (5000.0, 10000.0), viewer.dims.units)
    np.testing.assert_allclose(place, (10, 20))
    pixels = Image(np.zeros((30, 40)))
    assert data_position(pixels, (3.0, 4.0), viewer.dims.units) == (3, 4)
