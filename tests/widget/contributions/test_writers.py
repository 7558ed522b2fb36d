from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Image, Labels, Layer, Points

from napari_gpcis.engine.click import Click
from napari_gpcis.io.annotations.clicks import read_clicks
from napari_gpcis.io.annotations.gpcis_file import AnnotationFileError, read_annotation
from napari_gpcis.io.errors import ClicksFileError
from napari_gpcis.widget.contributions.readers import get_clicks_reader
from napari_gpcis.widget.contributions.writers import write_annotation_file, write_clicks_file


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "work.gpcis")


def save(path: str, *layers: Layer) -> list[str]:
    return write_annotation_file(path, [layer.as_layer_data_tuple() for layer in layers])


def save_points(path: str, layer: Points) -> list[str]:
    return write_clicks_file(path, *layer.as_layer_data_tuple()[:2])


def labels(shape: tuple[int, ...] = (3, 20, 30), **options: Any) -> Labels:
    return Labels(np.zeros(shape, np.uint8), **options)


def clicks(data: Any = ((1, 5, 6),), **options: Any) -> Points:
    features = {"object": [1] * len(data), "positive": [True] * len(data)}
    return Points(data, **{"features": features, **options})


def test_points_without_our_features_are_positive_clicks_of_one_object(path: str) -> None:
    save_points(path, Points([[4.4, 5.6]]))
    assert read_clicks(path, 2) == [Click(0, 4, 6)]


@pytest.mark.parametrize(
    ("points", "complaint"),
    [
        (Points([[1, 2], [-0.6, 2]]), "point 1 is at slice 0, row -0.6, .*outside .*; remove it"),
        (Points([[1, 2]], features={"object": [0]}), "point 0: object is .*0.*; set it to"),
        (Points([[1, 2]], features={"object": [1.5]}), "point 0: object is"),
        (Points([[1, 2]], features={"object": ["a"]}), "point 0: object is 'a'"),
        (Points([[1, 2]], features={"positive": [2]}), "point 0: positive is"),
        (Points([[1, 2]], features={"positive": [np.nan]}), "point 0: positive is"),
        (Points([[-4, 2, 3, 4]]), "point 0 is outside the image; remove it"),
        (Points([[1, 2]], features={"postive": [1]}), "column 'postive'; rename it"),
    ],
)
def test_a_point_that_is_no_click_is_reported_and_nothing_written(
    path: str, points: Points, complaint: str
) -> None:
    with pytest.raises(ClicksFileError, match=complaint):
        save_points(path, points)
    assert not Path(path).exists()


def test_points_of_time_and_depth_come_back_as_they_were(path: str) -> None:
    points = Points(
        [[2, 1, 4.4, 5.6], [0, 3, 0, 0]], features={"object": [7, 1], "positive": [1, 0]}
    )
    save_points(path, points)
    reader = get_clicks_reader(path)
    assert reader is not None
    [(positions, meta, _)] = reader(path)
    np.testing.assert_array_equal(positions, [[2, 1, 4, 6], [0, 3, 0, 0]])
    assert list(meta["features"]["object"]) == [7, 1]
    assert list(meta["features"]["positive"]) == [True, False]


def test_a_point_without_a_place_is_reported(path: str) -> None:
    nowhere = np.array([[1.0, 2, 3], [0, np.nan, 2]])
    with pytest.raises(ClicksFileError, match="point 1 is at slice 0, row nan"):
        write_clicks_file(path, nowhere, {})
    _, meta, kind = clicks([[1, 2, 3]] * 2).as_layer_data_tuple()
    with pytest.raises(ClicksFileError, match="point 1 is at slice 0, row nan"):
        write_annotation_file(path, [labels().as_layer_data_tuple(), (nowhere, meta, kind)])


def test_points_elsewhere_in_the_world_are_brought_onto_the_labels(path: str) -> None:
    place: dict[str, Any] = {"scale": (2, 0.5, 0.5), "translate": (4, 1, -1), "rotate": (0, 0, 30)}
    target = labels(**place, shear=(0, 0, 0.2), affine=np.diag([1, 1, 3, 1]))
    world = [target.data_to_world(position) for position in ((1, 5, 6), (2, 19, 0))]
    save(path, target, clicks(world))
    assert read_annotation(path).clicks == (Click(1, 5, 6), Click(2, 19, 0))


def test_of_several_points_layers_the_one_with_our_features_is_meant(path: str) -> None:
    save(path, labels(), Points([[0, 0, 0]]), clicks())
    assert read_annotation(path).clicks == (Click(1, 5, 6),)


@pytest.mark.parametrize(
    ("layers", "complaint"),
    [
        ([labels(name="a"), labels(name="b")], r"one labels layer, got \['a', 'b'\]; select"),
        ([labels(name="GPCIS preview")], "one labels layer, got none; select"),
        ([labels(), clicks(name="c"), clicks(name="d")], r"one points layer .* \['c', 'd'\]"),
        ([labels(), clicks([[1, 2]])], r"as many axes as the labels .3., got 2; select"),
        ([labels(), clicks([[3, 0, 0]])], "point 0: .*axis 0 between 0 and 2, got 3; remove"),
        ([labels(), clicks([[0, 20, 0]])], "point 0 is at slice 0, row 20, .* outside"),
        ([Labels([np.zeros((8, 8), int), np.zeros((4, 4), int)])], "multiscale"),
        ([labels(metadata={"gpcis": {"committed": [1]}})], "metadata.*; take it out"),
    ],
)
def test_what_cannot_be_saved_is_reported_and_nothing_written(
    path: str, layers: list[Layer], complaint: str
) -> None:
    with pytest.raises((AnnotationFileError, ClicksFileError), match=complaint):
        save(path, *layers)
    assert not Path(path).exists()


def test_an_overlay_is_not_taken_for_the_image(path: str) -> None:
    image, overlay = Image(np.zeros((3, 4)), name="nuclei"), Image(np.zeros((3, 4)))
    overlay.name = "GPCIS probability"
    save(path, image, overlay, labels((3, 4)))
    assert read_annotation(path).image == "nuclei"


def test_more_axes_than_three_are_kept(path: str) -> None:
    save(path, labels((2, 3, 20, 30)), clicks([[1, 2, 5, 6]]))
    found = read_annotation(path)
    assert found.labels.shape == (2, 3, 20, 30)
    assert found.clicks == (Click(5, 5, 6),)
