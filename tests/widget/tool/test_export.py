from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from napari_gpcis.engine.click import Click
from napari_gpcis.engine.document.label_store import LabelStore
from napari_gpcis.engine.geometry import Box
from napari_gpcis.io.annotations.clicks import read_clicks_for
from napari_gpcis.io.images.open import open_image
from napari_gpcis.widget.layers.frame import Frame
from napari_gpcis.widget.tool.class_list import ClassList
from napari_gpcis.widget.tool.export import export

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("axes", "shape", "header"),
    [
        ("YX", (20, 30), "index,axis-0,axis-1,object,positive"),
        ("ZYX", (12, 20, 30), "index,axis-0,axis-1,axis-2,object,positive"),
        ("TZYX", (3, 4, 20, 30), "index,axis-0,axis-1,axis-2,axis-3,object,positive"),
        ("ZCYX", (12, 2, 20, 30), "index,axis-0,axis-1,axis-2,axis-3,object,positive"),
        ("CYX", (2, 20, 30), "index,axis-0,axis-1,axis-2,object,positive"),
    ],
)
def test_exported_clicks_are_those_of_the_image_for_the_command_line(
    tmp_path: Path, axes: str, shape: tuple[int, ...], header: str
) -> None:
    image, path = tmp_path / "image.tif", tmp_path / "clicks.csv"
    tifffile.imwrite(image, np.zeros(shape, np.uint8), imagej=True, metadata={"axes": axes})
    channel = axes.find("C")
    frame = Frame.of(shape, (-2, -1), channel if channel >= 0 else None)
    z = 9 if set(axes) & set("ZT") else 0
    clicks = (Click(z, 5, 6, True, 7), Click(0, 19, 0, False, 1))
    desk: Any = SimpleNamespace(
        frame=frame, annotation=SimpleNamespace(state=SimpleNamespace(clicks=clicks))
    )
    classes: Any = None
    export(path, desk, classes, None)
    assert path.read_text(encoding="utf-8").splitlines()[0] == header
    with open_image(image) as stack:
        assert tuple(read_clicks_for(path, stack)) == clicks


@pytest.mark.parametrize(
    ("axes", "shape", "place"),
    [
        ("YX", (20, 30), (0, 0)),
        ("ZYX", (6, 20, 30), (5, 0)),
        ("TYX", (6, 20, 30), (0, 5)),
        ("TZYX", (2, 3, 20, 30), (2, 1)),
        ("ZCYX", (6, 2, 20, 30), (5, 0)),
        ("PZYX", (2, 3, 20, 30), (5, 0)),
    ],
)
def test_exported_shapes_lie_on_their_slice_and_frame(
    tmp_path: Path, axes: str, shape: tuple[int, ...], place: tuple[int, int]
) -> None:
    channel = axes.find("C")
    frame = Frame.of(shape, (-2, -1), channel if channel >= 0 else None)
    store = LabelStore(frame.shape)
    last = frame.shape[0] - 1
    mask = np.ones((3, 4), bool)
    store.write(store.plan(last, Box(5, 6, 8, 10), mask, 7, "protect"))
    image = SimpleNamespace(source=SimpleNamespace(path=None), name="a", axis_labels=tuple(axes))
    desk: Any = SimpleNamespace(
        frame=frame, image=image, mode="object", annotation=SimpleNamespace(labels=store)
    )
    export(tmp_path / "a.geojson", desk, ClassList(), None)
    (feature,) = json.loads((tmp_path / "a.geojson").read_text())["features"]
    plane = feature["geometry"]["plane"]
    assert (plane["z"], plane["t"]) == place
    assert feature["properties"]["name"] == "7"
    assert [6, 5] in feature["geometry"]["coordinates"][0]


def test_exported_classes_keep_names_and_colours(tmp_path: Path) -> None:
    classes = ClassList()
    classes.rename(2, "vessel")
    store = LabelStore((1, 20, 30), np.full((20, 30), 2))
    image = SimpleNamespace(source=SimpleNamespace(path=None), name="a", axis_labels=("y", "x"))
    desk: Any = SimpleNamespace(
        frame=Frame.of((20, 30), (0, 1)),
        image=image,
        mode="class",
        annotation=SimpleNamespace(labels=store),
    )
    export(tmp_path / "a.geojson", desk, classes, None)
    (feature,) = json.loads((tmp_path / "a.geojson").read_text())["features"]
    assert feature["properties"]["classification"] == {"name": "vessel", "color": [86, 180, 233]}
