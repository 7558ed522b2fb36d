"""A folder of small stacks with their clicks, as a lab would have it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tifffile
from skimage import data

from napari_gpcis.batch.job import Job, SegmentOptions
from napari_gpcis.engine.click import Click
from napari_gpcis.io.annotations.clicks import write_clicks

COINS = data.coins()[:128, :192]
DIAMETER = 50.0


def write_stack(path: Path, stack: np.ndarray) -> None:
    """Write slices as a TIFF."""
    tifffile.imwrite(path, stack, photometric="minisblack", metadata={"axes": "ZYX"})


@dataclass
class Lab:
    """Where stacks and results are, and the model for them.

    Attributes
    ----------
    folder, out, model : Path
    """

    folder: Path
    out: Path
    model: Path

    def add(self, name: str, stack: np.ndarray, clicks: list[Click]) -> None:
        """Write a stack and its clicks."""
        write_stack(self.folder / f"{name}.tif", stack)
        write_clicks(self.folder / f"{name}.csv", clicks, ndim=3)

    def job(self, name: str, **options: object) -> Job:
        """Job of a stack; its output, table and all are in the folder for results."""
        table = self.out / f"{name}.csv" if options.get("mode") != "class" else None
        return Job(
            self.folder / f"{name}.tif",
            self.folder / f"{name}.csv",
            self.out / f"{name}_labels.tif",
            table=table,
            options=SegmentOptions(
                **{"model": str(self.model), "object_diameter": DIAMETER, "threads": 1, **options}
            ),
        )

    def results(self) -> dict[str, bytes]:
        """Content of everything among the results, by name, but for the log."""
        return {
            path.name: path.read_bytes()
            for path in self.out.iterdir()
            if path.is_file() and path.name != "segment.log.jsonl"
        }


@pytest.fixture
def lab(tmp_path: Path, tiny_model: Path) -> Lab:
    """Three stacks of four slices, clicked on two of them."""
    lab = Lab(tmp_path / "stacks", tmp_path / "out", tiny_model)
    lab.folder.mkdir()
    lab.out.mkdir()
    for number in range(3):
        stack = np.stack([np.roll(COINS, number + z, 1) for z in range(4)])
        clicks = [
            Click(1, 73, 52 + number, object_id=1),
            Click(1, 60, 105, object_id=2),
            Click(1, 60, 80, positive=False, object_id=2),
            Click(3, 73, 54 + number, object_id=1),
        ]
        lab.add(f"s{number}", stack, clicks)
    return lab
