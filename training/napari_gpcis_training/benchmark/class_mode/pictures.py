"""Pictures of class mode's benchmark: curves, and class maps side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_gpcis_training.plotting.drawing import paper
from napari_gpcis_training.plotting.names import file_stem, plain_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from napari_gpcis_training.benchmark.class_mode.records import ClassImage, ClassRecord, Row

__all__ = ["draw_examples", "draw_measures"]

_LABELS = {"dice": "Dice, %", "accuracy": "pixel accuracy, %"}
_COLOURS = ("#000000", "#444444", "#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#f0e442")
"""Unknown, background, then the classes from 2 on, in turn."""


def draw_measures(path: Path, rows: Sequence[Row], way: str, measure: str, title: str) -> None:
    """Draw a measure against clicks, a line per method with its standard error.

    Parameters
    ----------
    path : path
        A .png, .svg or .pdf file.
    rows : sequence of dict
        Of one data set, as of `report.summarise`.
    way : {"shared", "corrected"}
        Whose rows to draw.
    measure : {"dice", "accuracy"}
        What to draw.
    title : str
        What stands above the picture.
    """
    from napari_gpcis_training.plotting.diagrams import draw_lines

    lines = {}
    for model in dict.fromkeys(row["model"] for row in rows):
        own = [row for row in rows if (row["model"], row["way"]) == (model, way)]
        means = [100 * row[measure] for row in own]
        errors = [row[f"{measure}_error"] for row in own]
        shade = None if None in errors else [100 * error for error in errors]
        lines[model] = ([row["clicks"] for row in own], means, shade)
    draw_lines(path, lines, xlabel="clicks", ylabel=_LABELS[measure], title=title)


def draw_examples(
    folder: Path, records: Sequence[ClassRecord], images: Sequence[ClassImage], shown: int
) -> list[Path]:
    """Draw image and clicks, the true classes, and each method's map after `shown` clicks.

    Returns
    -------
    list of Path
        A picture for each image and way of which maps were kept.
    """
    paths = []
    by_name = {name: (image, truth) for name, image, truth in images}
    groups: dict[tuple[str, str], list[ClassRecord]] = {}
    for record in records:
        if shown in record.maps:
            name = f"{record.data}/{record.image}"
            name = name if name in by_name else record.image
            groups.setdefault((name, record.way), []).append(record)
    for (name, way), group in groups.items():
        path = folder / f"classes_example_{file_stem(name)}_{way}.png"
        _draw_example(path, *by_name[name], group, shown)
        paths.append(path)
    return paths


def _draw_example(
    path: Path,
    image: NDArray[np.uint8],
    truth: NDArray[np.integer],
    records: Sequence[ClassRecord],
    shown: int,
) -> None:
    columns = 2 + len(records)
    height = 3.2 * image.shape[0] / image.shape[1] + 0.6
    with paper(path, 3.2 * columns, height) as figure:
        panels: list[Axes] = list(figure.subplots(1, columns))
        panels[0].imshow(image, cmap="gray")
        panels[0].set_title(plain_text(f"{records[0].data}/{records[0].image}"[:36]), size=9)
        panels[1].imshow(_coloured(truth))
        panels[1].set_title("truth", size=9)
        for panel, record in zip(panels[2:], records, strict=True):
            panel.imshow(_coloured(record.maps[shown]))
            score = 100 * record.dices[shown - 1]
            panel.set_title(plain_text(f"{record.model}: Dice {score:.1f} %"), size=9)
            _draw_clicks(panel, record, shown)
        if records[0].way == "shared":
            _draw_clicks(panels[0], records[0], shown)
        for panel in panels:
            panel.set_axis_off()


def _draw_clicks(panel: Axes, record: ClassRecord, shown: int) -> None:
    for row, col, number in record.clicks[:shown]:
        panel.plot(col, row, "o", color=_colour(number), markeredgecolor="white", markersize=4)


def _coloured(classes: NDArray[np.integer]) -> NDArray[np.uint8]:
    palette = np.array(
        [
            [int(_colour(number)[at : at + 2], 16) for at in (1, 3, 5)]
            for number in range(int(classes.max()) + 1)
        ],
        np.uint8,
    )
    coloured: NDArray[np.uint8] = palette[classes]
    return coloured


def _colour(number: int) -> str:
    return _COLOURS[number if number < 2 else 2 + (number - 2) % (len(_COLOURS) - 2)]
