"""Image layers of one shape become the channels of one image."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from napari.layers import Image

from napari_gpcis.widget.layers.channels import alike, combined


def test_channels_are_read_from_the_layers_themselves() -> None:
    data = np.zeros((4, 20, 30), np.uint8)
    image = combined([Image(data, name="red"), Image(data + 7, name="green")])
    assert image.name == "red + green"
    assert image.data.shape == (2, 4, 20, 30)
    assert image.axis_labels[0] == "c"
    assert isinstance(image.data, da.Array)
    data[2, 3, 4] = 9  # no copy
    assert int(image.data[0, 2, 3, 4]) == 9
    assert int(image.data[1, 2, 3, 4]) == 7


def test_the_combination_lies_where_the_first_layer_does() -> None:
    data = np.zeros((20, 30))
    for placement in (
        {"scale": (2, 3), "translate": (5, -6)},
        {"scale": (2, 3), "translate": (5, -6), "rotate": 30},
    ):
        first = Image(data, **placement)
        image = combined([first, Image(data)])
        world = image.data_to_world((1, 4, 7))
        np.testing.assert_allclose(world[-2:], first.data_to_world((4, 7)))


def test_only_grey_images_of_one_shape_are_combined() -> None:
    grey, other = Image(np.zeros((20, 30))), Image(np.zeros((20, 31)))
    colours = Image(np.zeros((20, 30, 3)), rgb=True)
    assert alike([grey, Image(np.ones((20, 30)))])
    for layers in ([grey], [grey, other], [colours, colours]):
        assert not alike(layers)
        with pytest.raises(ValueError, match="grey images of one size"):
            combined(layers)
