from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

from napari_gpcis.engine.click import Click
from napari_gpcis.io.annotations.clicks import read_clicks_for
from napari_gpcis.io.images.open import open_image
from napari_gpcis.widget.layers.frame import Frame
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
