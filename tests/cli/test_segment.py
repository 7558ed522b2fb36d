from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from skimage import data

from napari_gpcis.cli import main

if TYPE_CHECKING:
    from pathlib import Path

COINS = data.coins()[:128, :192]
GOOD = "axis-0,axis-1,object,positive\n73,52,1,1\n60,105,2,1\n60,80,2,0\n"


class Desk:
    """An image, a clicks file, and an empty folder for what comes out."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.image = folder / "coins.tif"
        self.clicks = folder / "clicks.csv"
        self.model = model
        self.out = folder / "out"
        self.out.mkdir()
        tifffile.imwrite(self.image, COINS, resolution=(4, 4), resolutionunit="CENTIMETER")
        self.clicks.write_text(GOOD)

    def arguments(self, **changes: object) -> list[str]:
        """Command line; a keyword replaces or adds an option, None takes it away."""
        options: dict[str, object] = {
            "clicks": self.clicks,
            "output": self.out / "labels.tif",
            "model": self.model,
            "object_diameter": 50,
        }
        image = changes.pop("image", self.image)
        line = ["segment", str(image)]
        for name, value in {**options, **changes}.items():
            if value is not None:
                line += [f"--{name.replace('_', '-')}", str(value)]
        return line


@pytest.fixture
def desk(tmp_path: Path, tiny_model: Path) -> Desk:
    return Desk(tmp_path, tiny_model)


@pytest.fixture(autouse=True)
def keep_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Exit code of the command."""
    monkeypatch.setattr(sys, "argv", ["napari-gpcis", *arguments])
    with pytest.raises(SystemExit) as done:
        main()
    return int(done.value.code or 0)


def test_labels_and_preview_are_written(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, *desk.arguments(preview=desk.out / "overlay.png")) == 0
    with tifffile.TiffFile(desk.out / "labels.tif") as tiff:
        labels = tiff.asarray()
        assert tiff.pages.first.tags["XResolution"].value == (4, 1)
    assert labels.shape == COINS.shape
    assert [labels[73, 52], labels[60, 105]] == [1, 2]
    assert labels[60, 80] != 2
    assert iio.imread(desk.out / "overlay.png").ndim == 3
    assert sorted(path.name for path in desk.out.iterdir()) == ["labels.tif", "overlay.png"]
    printed = capsys.readouterr()
    assert "2 labels on 1 slice from 3 clicks" in printed.out
    assert printed.err == ""


def test_shapes_for_other_programs_are_written_too(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(monkeypatch, *desk.arguments(also="roi,GeoJSON")) == 0
    written = sorted(path.name for path in desk.out.iterdir())
    assert written == ["labels.geojson", "labels.tif", "labels_rois.zip"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"also": "svg"}, "'svg' is not one of roi, geojson, coco"),
        ({"output": "labels.geojson"}, "one that ends in .tif, and --also geojson"),
    ],
)
def test_other_shapes_are_refused_with_what_there_is(
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, object],
    said: str,
) -> None:
    assert run(monkeypatch, *desk.arguments(**changes)) == 2
    assert said in " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_class_mode_fills_the_image(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, *desk.arguments(mode="class")) == 0
    labels = tifffile.imread(desk.out / "labels.tif")
    assert [labels[73, 52], labels[60, 105], labels[60, 80]] == [1, 2, 0]


def test_a_png_of_cells_is_segmented(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = desk.image.with_name("cell.png")
    iio.imwrite(cell, data.cell()[:256, :256])
    assert run(monkeypatch, *desk.arguments(image=cell)) == 0
    assert tifffile.imread(desk.out / "labels.tif").shape == (256, 256)


def spoil(desk: Desk, what: str) -> dict[str, object]:
    """Spoil an input or an option; returns the options to call with."""
    other = desk.image.with_name("other")
    if what.startswith("clicks:"):
        desk.clicks.write_text(what.removeprefix("clicks:"))
        return {}
    if what == "text as image":
        other = desk.image.with_suffix(".txt")
        other.write_text("no image")
        return {"image": other}
    if what == "truncated image":
        desk.image.write_bytes(desk.image.read_bytes()[:2000])
        return {}
    if what == "foreign model":
        other.write_text("no weights")
        return {"model": other}
    if what == "locked folder":
        # A file where a folder should be refuses root, too.
        other.write_text("")
        return {"output": other / "labels.tif"}
    if what == "output folder":
        (desk.out.parent / "folder.tif").mkdir()
        return {"output": desk.out.parent / "folder.tif"}
    return {
        "no image": {"image": other},
        "folder as image": {"image": desk.out},
        "clicks as image": {"image": desk.clicks},
        "clicks without image": {"image": desk.clicks, "clicks": None, "output": None},
        "no clicks": {"clicks": other},
        "missing folder": {"output": desk.out / "deep" / "labels.tif"},
        "wrong suffix": {"output": desk.out / "labels.png"},
        "preview without folder": {"preview": desk.out / "deep" / "overlay.png"},
        "preview suffix": {"preview": desk.out / "overlay.tif"},
        "input as output": {"output": desk.image},
        "unknown model": {"model": "defualt"},
        "missing model": {"model": "none.safetensors"},
        "unknown device": {"device": "warp"},
        "no size": {"object_diameter": -3},
        "no channel": {"channels": "2"},
    }[what]


@pytest.mark.parametrize(
    ("what", "complaint"),
    [
        ("no image", "there is no image"),
        ("folder as image", "is a folder without TIFFs or pictures; give the path"),
        ("clicks as image", "names the clicks; leave --clicks out"),
        ("text as image", "no reader of imageio recognises it; copy it"),
        ("clicks without image", "line 2: no image and no clicks and no output"),
        ("truncated image", "it may be damaged or cut short: copy it again"),
        ("no clicks", "there is no clicks file"),
        ("clicks:", "is empty; save the points layer"),
        ("clicks:x,y\n1,2\n", "0 columns named axis-0"),
        ("clicks:axis-0,axis-1,axis-2\n0,1,2\n", "with the axes YX (128, 192) needs 2 (row"),
        ("clicks:axis-0,axis-1\n1,2\n128,2\n", "line 3: row 128 is outside the image"),
        ("missing folder", "there is no folder"),
        ("locked folder", "there is no folder"),
        ("output folder", "it is a folder; give the name of a file"),
        ("wrong suffix", "give it a name that ends in .tif"),
        ("preview without folder", "there is no folder"),
        ("preview suffix", "give it a name that ends in .png"),
        ("input as output", "is an input of this run; choose another name"),
        ("unknown model", "got 'defualt'; check the spelling"),
        ("missing model", "none.safetensors"),
        ("foreign model", "other"),
        ("unknown device", "got 'warp'; use 'auto'"),
        ("no size", "-3"),
        ("no channel", "channels 0 to 0, not 2; choose one of those"),
    ],
)
def test_what_the_user_can_mend_is_said_in_one_line(
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    what: str,
    complaint: str,
) -> None:
    options = spoil(desk, what)
    before = contents(desk)
    assert run(monkeypatch, *desk.arguments(**options)) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("napari-gpcis: ")
    assert printed.err.count("\n") == 1
    assert complaint in printed.err
    assert contents(desk) == before


def contents(desk: Desk) -> dict[Path, bytes | None]:
    return {
        path: path.read_bytes() if path.is_file() else None for path in desk.out.parent.rglob("*")
    }


def test_a_defect_of_ours_is_not_hidden(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("a defect")

    monkeypatch.setattr("napari_gpcis.batch.object_pages.answer", fail)
    monkeypatch.setattr(sys, "argv", ["napari-gpcis", *desk.arguments()])
    with pytest.raises(ValueError, match="a defect"):
        main()
    assert list(desk.out.iterdir()) == []


# A shell lets what it starts in the background ignore Ctrl-C, and so would the child.
PROGRAM = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from napari_gpcis.cli import main
main()
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (signal.SIGINT, 130, "napari-gpcis: stopped; nothing was written\n"),
        (signal.SIGTERM, 143, ""),
    ],
)
def test_a_stopped_run_leaves_nothing(
    desk: Desk, number: signal.Signals, code: int, said: str
) -> None:
    tifffile.imwrite(desk.image, np.stack([COINS] * 200), metadata={"axes": "ZYX"})
    desk.clicks.write_text("axis-0,axis-1,axis-2\n" + "".join(f"{z},73,52\n" for z in range(200)))
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *desk.arguments()],
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not any(desk.out.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert {path.suffix for path in desk.out.iterdir()} <= {".part", ".work"}
    time.sleep(1.0)
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (code, said)
    assert list(desk.out.iterdir()) == []


def test_boxes_stand_in_place_of_clicks(
    monkeypatch: pytest.MonkeyPatch, desk: Desk, tmp_path: Path
) -> None:
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("top,left,bottom,right,label\n30,20,100,85,4\n35,88,84,128,2\n")
    assert run(monkeypatch, *desk.arguments(clicks=None, boxes=boxes)) == 0
    labels = tifffile.imread(desk.out / "labels.tif")
    assert set(np.unique(labels)) <= {0, 2, 4}
    assert labels.any()
    rows, cols = np.nonzero(labels == 4)
    assert rows.min(initial=127) >= 29
    assert rows.max(initial=0) <= 101
    assert cols.max(initial=0) <= 86


def test_boxes_and_clicks_go_together(
    monkeypatch: pytest.MonkeyPatch, desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("r0,c0,r1,c1,label\n48,26,98,78,1\n")
    assert run(monkeypatch, *desk.arguments(boxes=boxes)) == 0
    assert "from 4 clicks" in capsys.readouterr().out


def test_class_mode_refuses_boxes(
    monkeypatch: pytest.MonkeyPatch, desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("r0,c0,r1,c1\n48,26,98,78\n")
    assert run(monkeypatch, *desk.arguments(clicks=None, boxes=boxes, mode="class")) == 2
    assert "no boxes, which hold one object each" in capsys.readouterr().err
