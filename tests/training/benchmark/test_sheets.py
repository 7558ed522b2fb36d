from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from imageio.v3 import imread
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from napari_gpcis_training.benchmark import sheets
from napari_gpcis_training.benchmark.records import Record
from napari_gpcis_training.benchmark.sheets import (
    WorstCase,
    choose_worst,
    contact_sheet,
    crop_window,
    worst_cases,
)
from skimage import data

Draw = Callable[..., list[np.ndarray]]
BLUE, YELLOW, GREEN, RED = "#56b4e9", "#f0e442", "#009e73", "#d55e00"


@pytest.fixture
def case() -> WorstCase:
    """An object of 64², left of a mask as large, on an even picture of 200 × 300 px."""
    target, mask = np.zeros((2, 200, 300), bool)
    target[70:134, 50:114] = mask[70:134, 82:146] = True
    clicks = [(80, 60, True), (120, 60, False)]
    return WorstCase(np.full((200, 300), 100, np.uint8), target, mask, clicks, "one\ntwo")


def _near(picture: np.ndarray, color: str) -> np.ndarray:
    wanted = np.round(255 * np.array(to_rgb(color)))
    return np.abs(picture[..., :3].astype(float) - wanted).max(axis=-1) < 40


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that the test draws, to be looked into."""
    figures: list[Figure] = []
    save = Figure.savefig

    def keep(figure: Figure, *args: Any, **options: Any) -> None:
        figures.append(figure)
        save(figure, *args, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    return figures


@pytest.fixture
def draw(tmp_path: Path, drawn: list[Figure]) -> Draw:
    """Draws a sheet and cuts its tiles out of the picture."""

    def tiles(*cases: WorstCase, **options: Any) -> list[np.ndarray]:
        contact_sheet(tmp_path / "a.png", cases, **options)
        picture = imread(tmp_path / "a.png")
        boxes = [axes.get_window_extent() for axes in drawn[-1].axes if axes.images]
        return [
            picture[
                round(len(picture) - box.y1) : round(len(picture) - box.y0),
                round(box.x0) : round(box.x1),
            ]
            for box in boxes
        ]

    return tiles


def test_outlines_and_clicks_stand_where_they_belong(draw: Draw, case: WorstCase) -> None:
    (tile,) = draw(case)
    top, left, side = crop_window(case)
    scale = len(tile) / side

    def at(row: float, column: float) -> tuple[int, int]:
        return round((row - top) * scale), round((column - left) * scale)

    def shown(color: str, row: float, column: float) -> bool:
        down, right = at(row, column)
        return bool(_near(tile, color)[down - 4 : down + 5, right - 4 : right + 5].any())

    # the target's left edge and the mask's right one, halfway down
    assert shown(BLUE, 102, 50) and not shown(YELLOW, 102, 50)
    # the part of the target's right edge that lies in the mask
    assert shown(BLUE, 102, 114)
    assert shown(YELLOW, 70, 120) and not shown(BLUE, 70, 120)
    assert shown(YELLOW, 102, 82) and not shown(BLUE, 102, 82)
    assert shown(GREEN, 80.5, 60.5) and not shown(RED, 80.5, 60.5)
    assert shown(RED, 120.5, 60.5) and not shown(GREEN, 120.5, 60.5)


def test_pixels_of_the_mask_are_tinted_and_others_stay(draw: Draw, case: WorstCase) -> None:
    tile = draw(case)[0].astype(int)
    top, left, side = crop_window(case)
    inside, outside = (
        tile[tuple(round(at * len(tile) / side) for at in (102 - top, column - left))]
        for column in (98, 66)
    )
    assert tuple(outside[:3]) == (100, 100, 100)
    assert inside[0] > inside[2] and inside[0] > 105


def test_the_target_frames_a_mask_that_agrees(draw: Draw, case: WorstCase) -> None:
    (tile,) = draw(replace(case, mask=case.target))
    assert _near(tile, BLUE).sum() > 200
    assert (np.abs(tile[..., :3].astype(int) - [240, 228, 66]).max(axis=-1) < 90).sum() > 200


def test_the_window_holds_object_and_clicks_with_a_margin(case: WorstCase) -> None:
    far = replace(case, clicks=[(100, 60, True), (40, 200, False)])
    for each in (case, far):
        top, left, side = crop_window(each)
        rows, columns = np.nonzero(each.target)
        rows = [*rows, *(click[0] for click in each.clicks)]
        columns = [*columns, *(click[1] for click in each.clicks)]
        assert top < min(rows) and max(rows) < top + side - 1
        assert left < min(columns) and max(columns) < left + side - 1
    assert crop_window(case)[2] == 80 and crop_window(far)[2] > 150


def test_the_window_does_not_grow_with_a_mask_that_runs_away(case: WorstCase) -> None:
    assert crop_window(replace(case, mask=np.ones_like(case.mask))) == crop_window(case)


def test_the_window_of_an_object_in_the_corner_stays_on_the_image(case: WorstCase) -> None:
    corner = np.zeros_like(case.target)
    corner[:40, :40] = True
    assert crop_window(replace(case, target=corner, clicks=())) == (-1, -1, 50)
    assert crop_window(replace(case, target=corner[::-1, ::-1], clicks=())) == (151, 251, 50)
    assert crop_window(replace(case, target=np.ones_like(corner), clicks=()))[2] == 375


def test_a_mask_that_fills_the_window_is_seen(draw: Draw, case: WorstCase) -> None:
    full = replace(case, mask=np.ones_like(case.mask), clicks=())
    none = replace(case, mask=np.zeros_like(case.mask), clicks=())
    tinted, plain = (tile.astype(int) for tile in draw(full, none))
    assert tinted[3, 3, 0] - tinted[3, 3, 2] > 10
    assert tuple(plain[3, 3, :3]) == (100, 100, 100)


def test_colour_pictures_keep_their_colours(draw: Draw) -> None:
    image = data.astronaut()
    target = np.zeros(image.shape[:2], bool)
    target[200:300, 200:300] = True
    case = WorstCase(image, target, np.zeros_like(target), [], "astronaut")
    (tile,) = draw(case)
    quarter = len(tile) // 4
    middle = tile[quarter:-quarter, quarter:-quarter, :3].mean(axis=(0, 1))
    top, left, side = crop_window(case)
    assert side == 125
    cut = image[top + 31 : top + 94, left + 31 : left + 94].mean(axis=(0, 1))
    assert np.allclose(middle, cut, atol=2)


def test_a_sheet_has_rows_of_so_many_tiles(
    draw: Draw, drawn: list[Figure], case: WorstCase
) -> None:
    tiles = draw(*[case] * 5, columns=3)
    assert len(tiles) == 5
    shapes = np.array([tile.shape[:2] for tile in tiles])
    assert np.ptp(shapes) <= 2 and abs(shapes.mean() - 256) < 16
    boxes = [axes.get_window_extent() for axes in drawn[0].axes if axes.images]
    assert boxes[0].y0 > boxes[3].y1 and abs(boxes[0].x0 - boxes[3].x0) < 1


def test_captions_stand_beneath_their_tiles(
    draw: Draw, drawn: list[Figure], case: WorstCase
) -> None:
    draw(replace(case, caption="$x$ " * 40 + "\nb"), case)
    for axes in drawn[0].axes:
        tile, caption = axes.get_window_extent(), axes._left_title.get_window_extent()
        assert caption.y1 < tile.y0 < caption.y1 + 10
        assert tile.x0 <= caption.x0 and caption.x1 < tile.x1
        assert drawn[0].legends[0].get_window_extent().y1 < caption.y0


def test_the_worst_have_the_lowest_final_iou_then_the_most_clicks() -> None:
    def record(image: str, *ious: float) -> Record:
        return Record("d", image, 1, "m", 9.0, ious=list(ious))

    records = [
        record("good", 0.96),
        record("fell", 0.9, 0.3),
        record("short", 0.5),
        record("long", 0.6, 0.5),
        record("none"),
    ]
    names = [each.image for each in choose_worst(records, 4)]
    assert names == ["none", "fell", "long", "short"]
    assert choose_worst(reversed(records), 9) == choose_worst(records, 9)
    with pytest.raises(ValueError, match="at least one case to choose, got 0"):
        choose_worst(records, 0)


class _Painter:
    """Answers with the clicked pixels."""

    name, parameters = "painter", None

    def start(self, image: np.ndarray, diameter: float | None) -> None:
        self.mask = np.zeros(image.shape[:2], bool)

    def click(self, row: int, col: int, positive: bool) -> np.ndarray:
        self.mask[row, col] = positive
        return self.mask.copy()


def _item(name: str) -> Any:
    target = np.zeros((40, 50), bool)
    target[5:15, 5:15] = True
    image = np.zeros((40, 50), np.uint8)
    return SimpleNamespace(
        data="d",
        image_name=name,
        number=3,
        image=image,
        target=target,
        diameter=11.0,
        typical_diameter=11.0,
    )


def test_worst_cases_make_the_clicks_of_their_records_once_more() -> None:
    records = [
        Record("d", "a", 3, "painter", 11.0, [(6, 7, True)], [0.4]),
        Record("d", "b", 3, "painter", 11.0, [(8, 9, True), (1, 1, False)], [0.1, 0.2]),
        Record("d", "c", 3, "painter", 11.0, [(9, 9, True)], [0.9]),
        Record("d", "c", 3, "another", 11.0, [(9, 9, True)], [0.0]),
    ]
    items = (_item(name) for name in "abc")
    worst, second = worst_cases(_Painter(), records, items, 2)
    assert np.argwhere(worst.mask).tolist() == [[8, 9]]
    assert worst.caption == "b, object 3\nIoU 20.0 %, 2 clicks"
    assert np.argwhere(second.mask).tolist() == [[6, 7]]
    assert second.caption == "a, object 3\nIoU 40.0 %, 1 click"
    assert worst.clicks == records[1].clicks


def test_records_of_other_data_are_told() -> None:
    records = [Record("d", "z", 3, "painter", 11.0, [(6, 7, True)], [0.4])]
    with pytest.raises(ValueError, match=r"got none for \('d', 'z', 3\); give the data"):
        worst_cases(_Painter(), records, [_item("a")], 2)


def test_sheets_without_cases_are_refused(tmp_path: Path, case: WorstCase) -> None:
    with pytest.raises(ValueError, match="at least one case and one column, got 0 and 4"):
        contact_sheet(tmp_path / "a.png", [])
    with pytest.raises(ValueError, match="got 1 and 0"):
        contact_sheet(tmp_path / "a.png", [case], columns=0)
    assert not list(tmp_path.iterdir())


def test_a_mask_of_another_size_is_refused(case: WorstCase) -> None:
    with pytest.raises(ValueError, match=r"image of \(200, 300\), got .* and \(5, 5\)"):
        replace(case, mask=np.zeros((5, 5), bool))
    with pytest.raises(ValueError, match="with 0 pixels"):
        replace(case, target=np.zeros_like(case.target))


def test_the_yellow_is_that_of_the_widgets_preview() -> None:
    assert (sheets._MASK, sheets._TARGET) == (YELLOW, BLUE)
