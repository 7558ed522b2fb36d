"""`napari-gpcis segment` on many stacks, and with the options for whole ones."""

from __future__ import annotations

import csv
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from skimage import data

from napari_gpcis.cli import main

COINS = data.coins()[:128, :192]


@pytest.fixture(autouse=True)
def keep_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two stacks, of which one lacks its clicks."""
    stack = np.stack([np.roll(COINS, z, 1) for z in range(3)])
    for name in ("a", "b"):
        path = tmp_path / f"{name}.tif"
        tifffile.imwrite(path, stack, photometric="minisblack", metadata={"axes": "ZYX"})
    (tmp_path / "a.csv").write_text("axis-0,axis-1,axis-2,object\n1,73,53,1\n1,60,106,2\n")
    return tmp_path


class Command:
    """Runs the command, and keeps what it said."""

    def __init__(self, model: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
        self.model = model
        self.monkeypatch = monkeypatch
        self.capsys = capsys

    def __call__(self, *words: object, diameter: int = 50) -> tuple[int, str, str]:
        line = ["napari-gpcis", "segment", *map(str, words), "--model", str(self.model)]
        self.monkeypatch.setattr(sys, "argv", [*line, "--object-diameter", str(diameter)])
        with pytest.raises(SystemExit) as done:
            main()
        said = self.capsys.readouterr()
        return int(done.value.code or 0), said.out, said.err


@pytest.fixture
def segment(tiny_model: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> Command:
    return Command(tiny_model, monkeypatch, capsys)


def test_failures_are_listed_at_the_end_and_the_exit_code_is_1(
    folder: Path, segment: Command
) -> None:
    code, out, err = segment(folder, "--output", folder / "out")
    assert (code, err) == (1, "")
    lines = out.splitlines()
    assert lines[0] == "1 done, 0 done before, 1 failed"
    assert "there is no clicks file" in lines[1] and "b.csv" in lines[1]
    assert sorted(path.name for path in (folder / "out").iterdir()) == [
        "a_labels.tif",
        "segment.log.jsonl",
    ]


def test_resume_leaves_out_what_is_done(folder: Path, segment: Command) -> None:
    (folder / "b.csv").write_text((folder / "a.csv").read_text())
    assert segment(folder / "*.tif", "--output", folder / "out")[:2] == (
        0,
        "2 done, 0 done before, 0 failed\n",
    )
    assert segment(folder, "--output", folder / "out", "--resume")[:2] == (
        0,
        "0 done, 2 done before, 0 failed\n",
    )


def test_resume_of_a_single_stack_leaves_it_out_too(folder: Path, segment: Command) -> None:
    words = (folder / "a.tif", "--clicks", folder / "a.csv", "--output", folder / "l.tif")
    assert "2 labels on 3 slices" in segment(*words, "--resume")[1]
    assert segment(*words, "--resume")[1].endswith("was done before and is up to date\n")
    assert "2 labels on 3 slices" in segment(*words, "--resume", diameter=40)[1]
    code, out, err = segment(folder / "b.tif", *words[1:], "--resume", "--axes", "YX")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1 and "which the 2 axes YX do not fit" in err


def test_a_manifest_with_tables_previews_and_zarr(folder: Path, segment: Command) -> None:
    (folder / "night.csv").write_text("image,clicks\na.tif,a.csv\n")
    out = folder / "out"
    code, said, _ = segment(
        folder / "night.csv",
        *("--output", out, "--table", out, "--preview", out),
        *("--format", "zarr", "--propagate", "--threads", 1),
    )
    assert (code, said) == (0, "1 done, 0 done before, 0 failed\n")
    assert sorted(path.name for path in out.iterdir()) == [
        "a.csv",
        "a.png",
        "a_labels.ome.zarr",
        "a_slices.csv",
        "segment.log.jsonl",
    ]
    with (out / "a.csv").open(newline="") as file:
        assert [row["object"] for row in csv.DictReader(file)] == ["1", "2"]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--propagate", "--mode", "class"], "leave propagate out"),
        (["--series", "3"], "has no series 3"),
        (["--axes", "ZZYX"], "name an axis twice"),
        (["--scheduler", "nonsense"], "no scheduler answers at nonsense"),
        (["--threads", "0"], "expected 1 thread or more"),
    ],
)
def test_an_option_that_cannot_be_is_said_in_one_line(
    folder: Path, segment: Command, words: list[str], complaint: str
) -> None:
    before = sorted(folder.rglob("*"))
    code, out, err = segment(
        folder / "a.tif", "--clicks", folder / "a.csv", "--output", folder / "l.tif", *words
    )
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert complaint in err
    assert sorted(folder.rglob("*")) == before
