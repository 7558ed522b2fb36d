"""The main job on pictures that come with scikit-image: clicks in, overlays and label TIFFs out.

Everything goes to demo/: per picture the image, the clicks (CSV), the labels (TIFF) and an overlay
(PNG). The clicks are written down below, as if somebody had clicked there.
"""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import skimage.data
import tifffile
from rich.console import Console
from rich.table import Table

from napari_gpcis import Session, load_model
from napari_gpcis.engine import Click
from napari_gpcis.io.annotations.clicks import write_clicks
from napari_gpcis.io.labels.overlay import draw_overlay, write_overlay

if TYPE_CHECKING:
    from numpy.typing import NDArray

DEMO = Path(__file__).resolve().parents[1] / "demo"


@dataclass(frozen=True)
class Scene:
    """A picture and what somebody clicks on in it.

    Attributes
    ----------
    name : str
        Of the files, and of the picture in `skimage.data`.
    picture : str
    diameter : float
        Of a typical object, in px.
    clicks : tuple of (row, column, sign, object or class)
        In the order in which they are made.
    mode : str
        "object" or "class".
    """

    name: str
    picture: str
    diameter: float
    clicks: tuple[tuple[int, int, int, int], ...]
    mode: Literal["object", "class"] = "object"


SCENES = (
    # A cell in phase contrast: one click on it, and one on its dark halo.
    Scene("cell", "cell", 125, ((372, 427, +1, 1), (303, 400, -1, 1))),
    # Six coins of all sizes, some of them with a correction beside them.
    Scene(
        "coins",
        "coins",
        48,
        (
            (53, 45, +1, 1),
            (55, 101, +1, 2),
            (50, 155, +1, 3),
            (193, 212, +1, 4),
            (165, 190, -1, 4),
            (186, 347, +1, 5),
            (262, 46, +1, 6),
            (230, 60, -1, 6),
        ),
    ),
    # A gland in a stained tissue section.
    Scene(
        "gland",
        "immunohistochemistry",
        170,
        ((405, 318, +1, 1), (300, 230, -1, 1), (200, 390, -1, 1)),
    ),
    # The same section by classes: 1 epithelium, 2 connective tissue, 3 lumen.
    Scene(
        "tissue",
        "immunohistochemistry",
        64,
        (
            (120, 60, +1, 1),
            (400, 340, +1, 1),
            (100, 390, +1, 1),
            (280, 230, +1, 2),
            (330, 470, +1, 2),
            (350, 20, +1, 3),
            (110, 335, +1, 3),
        ),
        mode="class",
    ),
)


def main(folder: Path) -> None:
    """Run every scene, then one of them again from the command line.

    Parameters
    ----------
    folder : Path
        Where the results go.
    """
    console = Console()
    folder.mkdir(exist_ok=True)
    model = load_model("default")
    for scene in SCENES:
        image = getattr(skimage.data, scene.picture)()
        session = Session(model, mode=scene.mode, object_diameter=scene.diameter)
        session.set_image(image)
        console.print(click_through(scene, session))
        save(folder, scene, image, session.labels)
    run_command(console, folder, SCENES[1])
    console.print(f"\n{folder.name}/ now holds", *sorted(path.name for path in folder.iterdir()))


def click_through(scene: Scene, session: Session) -> Table:
    """Make a scene's clicks and say what each did and how long it took."""
    table = Table("click", "row, column", "of", "pixels", "changed", "ms", title=scene.name)
    start = time.perf_counter()
    session.prepare()
    table.add_row("", "", "encoding", "", "", milliseconds_since(start))
    before: NDArray[Any] | int = 0
    for number, (row, col, sign, target) in enumerate(scene.clicks, start=1):
        start = time.perf_counter()
        result = session.add_click(row, col, positive=sign > 0, object_id=target)
        pixels = np.count_nonzero(result.mask)
        spent = milliseconds_since(start)
        changed = np.count_nonzero(result.classes != before)
        table.add_row(
            "+" if sign > 0 else "−",
            f"{row}, {col}",
            f"{scene.mode} {target}",
            f"{pixels}",
            f"{changed}",
            spent,
        )
        before = result.classes
        is_last = number == len(scene.clicks)
        if is_last or (scene.mode == "object" and scene.clicks[number][3] != target):
            session.commit()
            before = 0
    return table


def milliseconds_since(start: float) -> str:
    """Time since a reading of `time.perf_counter`, for a table."""
    return f"{1000 * (time.perf_counter() - start):.0f}"


def save(folder: Path, scene: Scene, image: NDArray[Any], labels: NDArray[Any]) -> None:
    """Leave a scene's image, clicks, labels and overlay."""
    clicks = [Click(0, row, col, sign > 0, target) for row, col, sign, target in scene.clicks]
    stem = folder / scene.name
    tifffile.imwrite(f"{stem}.tif", image)
    tifffile.imwrite(f"{stem}_labels.tif", labels.astype(np.uint16), compression="zlib")
    write_clicks(Path(f"{stem}_clicks.csv"), clicks, ndim=2)
    write_overlay(Path(f"{stem}_overlay.png"), draw_overlay(image, labels, clicks))


def run_command(console: Console, folder: Path, scene: Scene) -> None:
    """Segment a scene's files from the command line, as a script would."""
    words = ["napari-gpcis", "segment", f"{scene.name}.tif"]
    words += ["--clicks", f"{scene.name}_clicks.csv", "--output", f"{scene.name}_by_command.tif"]
    words += ["--object-diameter", f"{scene.diameter:g}"]
    console.print(f"$ {' '.join(words)}", soft_wrap=True)
    program = Path(sys.executable).with_name(words[0])
    subprocess.run([program, *words[1:]], cwd=folder, check=True)


if __name__ == "__main__":
    main(DEMO)
