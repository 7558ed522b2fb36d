from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_gpcis.batch.discover import find_jobs
from napari_gpcis.batch.job import SegmentOptions
from napari_gpcis.io.errors import UserError
from napari_gpcis.io.images.open import open_image
from napari_gpcis.io.labels.overlay import write_overlay
from napari_gpcis.io.labels.writer import label_writer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images of many kinds, their clicks, and what is neither."""
    names = ["a2.tif", "a10.ome.tif", "b.png", "notes.txt", "a2.csv", "b.csv", ".hidden.tif"]
    for name in names:
        (tmp_path / name).write_text("")
    (tmp_path / "c.ome.zarr").mkdir()
    (tmp_path / "c.ome.zarr" / ".zgroup").write_text("{}")
    (tmp_path / "other").mkdir()
    return tmp_path


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def test_a_folder_holds_many_images_in_natural_order(folder: Path) -> None:
    wanted = find_jobs([folder], None, folder / "out", suffix=".ome.zarr")
    assert names([job.image for job in wanted.jobs]) == [
        "a2.tif",
        "a10.ome.tif",
        "b.png",
        "c.ome.zarr",
    ]
    assert names([job.clicks for job in wanted.jobs]) == ["a2.csv", "a10.csv", "b.csv", "c.csv"]
    assert [job.output for job in wanted.jobs][1] == folder / "out" / "a10_labels.ome.zarr"
    assert (folder / "out").is_dir()
    assert wanted.log == folder / "out" / "segment.log.jsonl"
    assert not wanted.is_single


def test_clicks_tables_and_previews_may_lie_in_folders_of_their_own(folder: Path) -> None:
    wanted = find_jobs(
        [folder / "a2.tif", folder / "b.png"],
        folder / "other",
        folder / "out",
        preview=folder / "previews",
        table=folder / "tables",
        options=SegmentOptions(propagate=True),
    )
    job = wanted.jobs[0]
    assert job.clicks == folder / "other" / "a2.csv"
    assert job.preview == folder / "previews" / "a2.png"
    assert job.table == folder / "tables" / "a2.csv"
    assert job.options.propagate
    assert (folder / "previews").is_dir()


def test_a_pattern_is_matched(folder: Path) -> None:
    wanted = find_jobs([folder / "a*"], None, folder / "out")
    assert names([job.image for job in wanted.jobs]) == ["a2.tif", "a10.ome.tif"]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(folder: Path) -> None:
    (folder / "a[1].tif").write_text("")
    wanted = find_jobs([folder / "a[1].tif"], folder / "a2.csv", folder / "out.tif")
    assert wanted.is_single


def test_a_pattern_that_matches_one_file_is_still_many(folder: Path) -> None:
    # a shell gives the file, not the pattern
    wanted = find_jobs([folder / "a2.tif"], None, folder / "out")
    assert not wanted.is_single
    assert wanted.jobs[0].output == folder / "out" / "a2_labels.tif"


@pytest.mark.parametrize("name", ["a2.tif", "c.ome.zarr"])
def test_one_image_is_one_job(folder: Path, name: str) -> None:
    wanted = find_jobs([folder / name], folder / "a2.csv", folder / "labels.zarr")
    assert wanted.is_single
    (job,) = wanted.jobs
    assert (job.image, job.output) == (folder / name, folder / "labels.zarr")


def test_a_folder_with_a_clicks_file_is_a_stack_of_pages(folder: Path) -> None:
    wanted = find_jobs([folder], folder / "a2.csv", folder / "labels.tif")
    assert wanted.is_single
    assert wanted.jobs[0].image == folder


def test_a_manifest_names_files_beside_it(folder: Path) -> None:
    manifest = folder / "night.csv"
    manifest.write_text("image, clicks ,output,remark\na2.tif,a2.csv,x/one.tif,fine\n")
    wanted = find_jobs([manifest], None, None)
    (job,) = wanted.jobs
    assert (job.image, job.clicks) == (folder / "a2.tif", folder / "a2.csv")
    assert job.output == folder / "x" / "one.tif"
    assert wanted.log == folder / "night.log.jsonl"
    assert not wanted.is_single
    manifest.write_text("\ufeffimage,clicks\na2.tif,a2.csv\n")
    wanted = find_jobs([manifest], None, folder / "out")
    assert wanted.jobs[0].output == folder / "out" / "a2_labels.tif"


def write_outputs(folder: Path, name: str) -> None:
    """Labels and a preview, as a run writes them."""
    image = folder / f"{name}_image.tif"
    tifffile.imwrite(image, np.zeros((20, 30), np.uint8))
    for suffix in (".tif", ".ome.zarr"):
        with open_image(image) as stack, label_writer(folder / f"{name}{suffix}", stack, 1) as out:
            out.write(np.ones((20, 30), np.uint16))
    write_overlay(folder / f"{name}.png", np.zeros((20, 30, 3), np.uint8))
    image.unlink()


def test_outputs_of_earlier_runs_and_what_is_no_image_are_skipped(folder: Path) -> None:
    write_outputs(folder, "z")
    (folder / "a2_labels.tif").write_text("labels without our mark")
    for name in ("Thumbs.db", "plan.docx", "sizes.xlsx", "._a2.tif", "report.pdf"):
        (folder / name).write_text("")
    (folder / "no_ending").write_bytes(b"II*\0 a TIFF")
    found = find_jobs([folder], None, folder)
    images = ["a2.tif", "a10.ome.tif", "b.png", "c.ome.zarr", "no_ending"]
    assert names([job.image for job in found.jobs]) == images
    assert found.skipped == (
        "skipped 4 outputs of earlier runs and 4 files that are not images "
        "(plan.docx, report.pdf, sizes.xlsx, Thumbs.db)"
    )
    # as a shell lists a folder
    listed = find_jobs(sorted(folder.iterdir()), None, folder)
    assert {*names([job.image for job in listed.jobs])} >= {*images}
    assert "4 outputs of earlier runs" in listed.skipped
    assert not find_jobs([folder / "a2.tif", folder / "b.png"], None, folder).skipped


def test_a_missing_image_of_a_list_is_not_skipped(folder: Path) -> None:
    found = find_jobs([folder / "a2.tif", folder / "gone.tif"], None, folder / "out")
    assert names([job.image for job in found.jobs]) == ["a2.tif", "gone.tif"]


def test_a_folder_of_outputs_alone_holds_no_images(tmp_path: Path) -> None:
    write_outputs(tmp_path, "z")
    with pytest.raises(UserError, match=r"holds no images \(skipped 3 outputs of earlier runs\)"):
        find_jobs([tmp_path], None, tmp_path / "out")


@pytest.mark.parametrize(
    "text",
    [
        "image;clicks;output\r\na2.tif;a2.csv;x/one, or two.tif\r\n",
        "sep=;\r\nimage;clicks;output;;\r\na2.tif;a2.csv;x/one, or two.tif;;\r\n",
        "output\timage\tclicks\nx/one, or two.tif\ta2.tif\ta2.csv\n",
        'image,clicks,output\na2.tif,a2.csv,"x/one, or two.tif",\n',
    ],
)
def test_a_manifest_may_come_from_any_spreadsheet(folder: Path, text: str) -> None:
    manifest = folder / "night.csv"
    manifest.write_text(text)
    (job,) = find_jobs([manifest], None, None).jobs
    assert (job.image, job.clicks) == (folder / "a2.tif", folder / "a2.csv")
    assert job.output == folder / "x" / "one, or two.tif"


@pytest.mark.parametrize(
    ("what", "complaint"),
    [
        ("one without clicks", "--clicks is missing"),
        ("one without output", "--output is missing"),
        ("many without output", "--output is missing"),
        ("many into a file", "is the name of one file; give a folder"),
        ("many with a clicks file", "is not a folder; give the folder that holds NAME.csv"),
        ("no match", "no image matches"),
        ("empty folder", "holds no images"),
        ("same name", r"would both be written to .*a2_labels\.tif; rename one"),
        ("no manifest", "there is no manifest"),
        ("manifest without clicks", "line 2: no clicks; write the columns image, clicks, output"),
        ("empty manifest", "names no images"),
        ("manifest and clicks", "names the clicks; leave --clicks out"),
        ("no folder can be made", "cannot make the folder"),
    ],
)
def test_what_is_missing_or_wrong_is_said(folder: Path, what: str, complaint: str) -> None:
    clicks, out, manifest = folder / "a2.csv", folder / "out", folder / "m.csv"
    if what == "same name":
        (folder / "other" / "a2.png").write_text("")
    if what == "manifest without clicks":
        manifest.write_text("image,output\na2.tif,a.tif\n")
    if what == "empty manifest":
        manifest.write_text("image,clicks,output\n")
    arguments = {
        "one without clicks": ([folder / "a2.tif"], None, folder / "labels.tif"),
        "one without output": ([folder / "a2.tif"], clicks, None),
        "many without output": ([folder], None, None),
        "many into a file": ([folder], None, folder / "labels.tif"),
        "many with a clicks file": ([folder / "a2.tif", folder / "b.png"], clicks, out),
        "no match": ([folder / "z*"], None, out),
        "empty folder": ([folder / "other"], None, out),
        "same name": ([folder / "a2.tif", folder / "other" / "a2.png"], None, out),
        "no manifest": ([folder / "none.csv"], None, None),
        "manifest without clicks": ([manifest], None, None),
        "empty manifest": ([manifest], None, None),
        "manifest and clicks": ([manifest], clicks, None),
        "no folder can be made": ([folder], None, folder / "b.png" / "out"),
    }[what]
    with pytest.raises(UserError, match=complaint) as caught:
        find_jobs(*arguments)
    assert "\n" not in str(caught.value)
