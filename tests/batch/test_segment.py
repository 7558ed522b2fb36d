from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from skimage import data

from napari_gpcis.batch.segment import segment_stack
from napari_gpcis.engine.click import Click
from napari_gpcis.io.annotations.clicks import write_clicks
from napari_gpcis.io.errors import ClicksFileError, OutputFileError

if TYPE_CHECKING:
    from pathlib import Path

COINS = data.coins()[:128, :192]
DIAMETER = 50.0
CLICKS = [
    Click(0, 73, 52, object_id=3),
    Click(0, 60, 105, object_id=7),
    Click(0, 60, 80, positive=False, object_id=7),
    Click(0, 60, 107, object_id=9),
]


class Case:
    """Files of one run in a folder of their own."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.folder = folder
        self.model = model
        self.image = folder / "image.tif"
        self.clicks = folder / "clicks.csv"
        self.output = folder / "labels.tif"

    def segment(
        self, image: np.ndarray, clicks: list[Click], axes: str | None = None, **options: Any
    ) -> np.ndarray:
        metadata = {"axes": axes} if axes else None
        photometric = "rgb" if axes and axes.endswith("S") else "minisblack"
        tifffile.imwrite(self.image, image, metadata=metadata, photometric=photometric)
        write_clicks(self.clicks, clicks, ndim=3 if axes and axes[0] in "ZT" else 2)
        options = {"object_diameter": DIAMETER, "model": str(self.model), **options}
        self.report = segment_stack(self.image, self.clicks, self.output, **options)
        return tifffile.imread(self.output)


@pytest.fixture
def case(tmp_path: Path, tiny_model: Path) -> Case:
    return Case(tmp_path, tiny_model)


def at(labels: np.ndarray, click: Click) -> int:
    return int(labels.reshape(-1, *labels.shape[-2:])[click.z, click.row, click.col])


def test_clicked_pixels_get_what_was_clicked(case: Case) -> None:
    labels = case.segment(COINS, CLICKS)
    assert labels.shape == COINS.shape
    for click in CLICKS:
        assert (at(labels, click) == click.object_id) == click.positive
    assert set(np.unique(labels)) - {0} == {3, 7, 9}
    assert (case.report.labels, case.report.slices, case.report.clicks) == (3, 1, 4)


def test_the_order_of_objects_does_not_matter(case: Case) -> None:
    labels = case.segment(COINS, CLICKS)
    np.testing.assert_array_equal(
        case.segment(COINS, [CLICKS[3], CLICKS[1], CLICKS[2], CLICKS[0]]), labels
    )


def test_slices_without_clicks_stay_empty(case: Case) -> None:
    stack = np.stack([COINS, COINS[::-1], COINS, COINS])
    clicks = [Click(1, 73, 52, object_id=3), Click(3, 60, 105, object_id=3)]
    labels = case.segment(stack, clicks, axes="TYX")
    assert [bool(page.any()) for page in labels] == [False, True, False, True]
    assert at(labels, clicks[0]) == at(labels, clicks[1]) == 3
    assert case.report.labels == 1


def test_a_slice_of_a_stack_is_segmented_like_an_image(case: Case) -> None:
    alone = case.segment(COINS, CLICKS)
    moved = [Click(2, click.row, click.col, click.positive, click.object_id) for click in CLICKS]
    stack = np.stack([255 - COINS, COINS[::-1], COINS])
    np.testing.assert_array_equal(case.segment(stack, moved, axes="ZYX")[2], alone)


def test_an_object_without_positive_clicks_is_left_out(case: Case) -> None:
    labels = case.segment(COINS, [CLICKS[0], Click(0, 10, 10, positive=False, object_id=5)])
    assert set(np.unique(labels)) - {0} == {3}


def test_object_diameter_is_estimated_when_not_given(case: Case) -> None:
    case.segment(COINS, CLICKS, object_diameter=None)
    assert case.report.object_diameter is not None
    assert 4 <= case.report.object_diameter <= np.hypot(*COINS.shape)
    assert "px" in case.report.summary()


@pytest.mark.parametrize(
    ("axes", "image"),
    [
        ("YXS", data.immunohistochemistry()[:128, :192]),
        ("CYX", np.stack([COINS, 255 - COINS])),
        ("CYX", np.stack([COINS] * 5).astype(np.float64)),
        ("ZCYX", np.stack([[COINS, 255 - COINS]] * 2).astype(np.uint16)),
        ("ZYXS", np.stack([data.immunohistochemistry()[:128, :192]] * 2)),
    ],
)
@pytest.mark.parametrize("mode", ["object", "class"])
def test_colour_and_channels_are_segmented(
    case: Case, axes: str, image: np.ndarray, mode: str
) -> None:
    labels = case.segment(image, CLICKS, axes=axes, mode=mode)
    assert labels.shape[-2:] == COINS.shape
    assert all((at(labels, click) == click.object_id) == click.positive for click in CLICKS)


def test_chosen_channels_alone_count(case: Case) -> None:
    noise = np.random.default_rng(0).integers(0, 255, COINS.shape, np.uint8)
    alone = case.segment(COINS, CLICKS)
    two = np.stack([noise, COINS])
    np.testing.assert_array_equal(case.segment(two, CLICKS, axes="CYX", channels=[1]), alone)
    assert not np.array_equal(case.segment(two, CLICKS, axes="CYX"), alone)


def test_every_pixel_of_every_slice_gets_a_class(case: Case) -> None:
    stack = np.stack([COINS, COINS[::-1], 255 - COINS])
    clicks = [Click(0, 73, 52, object_id=1), Click(2, 20, 20, object_id=4)]
    labels = case.segment(stack, clicks, axes="ZYX", mode="class")
    assert set(np.unique(labels)) <= {1, 4}
    assert all(page.all() for page in labels)
    assert [at(labels, click) for click in clicks] == [1, 4]


def test_a_negative_click_in_class_mode_is_background(case: Case) -> None:
    clicks = [Click(0, 73, 52, object_id=2), Click(0, 20, 20, positive=False, object_id=2)]
    labels = case.segment(COINS, clicks, mode="class")
    assert set(np.unique(labels)) == {0, 2}
    assert [at(labels, click) for click in clicks] == [2, 0]


def test_one_class_alone_is_reported(case: Case) -> None:
    with pytest.raises(ClicksFileError, match="clicks of one class only; also click"):
        case.segment(COINS, [Click(0, 73, 52), Click(0, 20, 20)], mode="class")
    assert not case.output.exists()


@pytest.mark.parametrize("mode", ["object", "class"])
def test_the_preview_shows_the_slice_with_most_clicks(case: Case, mode: str) -> None:
    stack = np.stack([COINS, np.full_like(COINS, 100), COINS])
    clicks = [Click(0, 73, 52), Click(1, 60, 105), Click(1, 20, 20, object_id=2)]
    case.segment(stack, clicks, axes="ZYX", mode=mode, preview=case.folder / "overlay.png")
    overlay = iio.imread(case.folder / "overlay.png")
    assert overlay.dtype == np.uint8
    rows, columns = (side * 3 for side in COINS.shape)
    assert overlay.shape == (rows, columns, 3)
    # A click is a disc in the middle of its enlarged pixel; that slice alone has one there.
    assert overlay[3 * 60 + 1, 3 * 105 + 1].tolist() == [86, 180, 233]
    assert overlay[3 * 73 + 1, 3 * 52 + 1].tolist() != [86, 180, 233]


def test_progress_is_told_slice_by_slice(case: Case) -> None:
    told: list[tuple[str, int, int]] = []
    stack = np.stack([COINS] * 3)
    clicks = [Click(1, 73, 52)]
    case.segment(stack, clicks, axes="ZYX", on_progress=lambda *progress: told.append(progress))
    assert [done for stage, done, _ in told if stage == "segmenting"] == [1, 2, 3]
    assert {total for stage, _, total in told if stage == "segmenting"} == {3}


@pytest.mark.parametrize("name", ["image.tif", "folder/../image.tif"])
def test_an_input_is_never_written_over(case: Case, name: str) -> None:
    (case.folder / "folder").mkdir()
    case.output = case.folder / name
    with pytest.raises(OutputFileError, match="is an input of this run; choose another"):
        case.segment(COINS, CLICKS)
    np.testing.assert_array_equal(tifffile.imread(case.image), COINS)


def test_a_full_disk_leaves_neither_labels_nor_preview(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = tifffile.TiffWriter.write

    def refuse(*args: Any, **options: Any) -> None:
        if options.get("tile"):
            raise OSError(28, "No space left on device")
        write(*args, **options)

    monkeypatch.setattr("tifffile.TiffWriter.write", refuse)
    extras = {"preview": case.folder / "overlay.png", "table": case.folder / "objects.csv"}
    with pytest.raises(OutputFileError, match=r"labels\.tif: No space left on device; choose"):
        case.segment(COINS, CLICKS, **extras)
    assert sorted(path.name for path in case.folder.iterdir()) == ["clicks.csv", "image.tif"]


@pytest.mark.parametrize(
    ("culprit", "error", "failure"),
    [
        ("imageio.v3.imwrite", OSError(28, "No space left on device"), r"overlay\.png: No space"),
        ("cv2.circle", RuntimeError("a defect"), r"cannot write .*overlay\.png: a defect"),
        ("csv.DictWriter.writerow", OSError(28, "No space left on device"), r"objects\.csv: No"),
    ],
)
def test_a_preview_or_table_that_fails_costs_no_labels(
    case: Case, monkeypatch: pytest.MonkeyPatch, culprit: str, error: Exception, failure: str
) -> None:
    def refuse(writer: Any, row: Any = None, *args: Any, **options: Any) -> Any:
        # the headers of the tables are written before the work begins
        if isinstance(row, dict) and row.get("object") == "object":
            return None
        raise error

    monkeypatch.setattr(culprit, refuse)
    extras = {"preview": case.folder / "overlay.png", "table": case.folder / "objects.csv"}
    labels = case.segment(COINS, CLICKS, **extras)
    assert set(np.unique(labels)) - {0} == {3, 7, 9}
    (said,) = case.report.failures
    assert re.search(failure, said)
    assert "\nfailed: " in case.report.summary()
    names = {path.name for path in case.folder.iterdir()} - {"clicks.csv", "image.tif"}
    left = {"overlay.png"} if "writerow" in culprit else {"objects.csv", "objects_slices.csv"}
    assert names == {"labels.tif"} | left


def test_shapes_are_written_beside_the_labels(case: Case) -> None:
    labels = case.segment(COINS, CLICKS, also=["coco", "roi", "geojson"])
    names = {path.name for path in case.folder.iterdir()} - {"clicks.csv", "image.tif"}
    assert names == {"labels.tif", "labels_rois.zip", "labels.geojson", "labels_coco.json"}
    whole = json.loads((case.folder / "labels_coco.json").read_text())
    assert whole["images"][0]["file_name"] == "image.tif"
    areas = {item["object"]: item["area"] for item in whole["annotations"]}
    assert areas == {label: int((labels == label).sum()) for label in (3, 7, 9)}


def test_classes_are_shapes_with_a_classification(case: Case) -> None:
    case.segment(COINS, CLICKS, mode="class", also=["geojson"])
    features = json.loads((case.folder / "labels.geojson").read_text())["features"]
    names = {feature["properties"]["classification"]["name"] for feature in features}
    assert names <= {"class 3", "class 7", "class 9"} and names


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_any_number_of_channels_has_a_preview(case: Case, channels: int) -> None:
    image = np.stack([COINS, 255 - COINS, COINS, COINS // 2, COINS][:channels])
    tifffile.imwrite(case.image, image, imagej=True, metadata={"axes": "CYX"})
    write_clicks(case.clicks, CLICKS, ndim=2)
    preview = case.folder / "overlay.png"
    options: dict[str, Any] = {"object_diameter": DIAMETER, "model": str(case.model)}
    report = segment_stack(case.image, case.clicks, case.output, preview=preview, **options)
    assert not report.failures
    assert iio.imread(preview).shape == (384, 576, 3)


def test_clicks_that_come_to_nothing_get_a_word(case: Case) -> None:
    clicks = [
        *CLICKS,
        Click(0, 10, 10, positive=False, object_id=5),
        Click(0, 12, 10, positive=False, object_id=6),
        Click(0, 73, 52, positive=False, object_id=7),
        Click(0, 60, 80, positive=True, object_id=7),
    ]
    case.segment(COINS, clicks)
    assert case.report.notes == (
        "row 60, column 80, slice 0 has a positive and a negative click of object 7; the later "
        "one counts",
        "objects 5, 6 have negative clicks only and are left out; click inside",
    )
    case.segment(COINS, CLICKS)
    assert case.report.notes == ()
