from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
import torch
from napari_gpcis_training import finetune as module
from napari_gpcis_training.cli import app
from napari_gpcis_training.data.own import load_own_data, split
from napari_gpcis_training.data.pairs import pair_files, read_planes
from napari_gpcis_training.evaluate import Scores
from napari_gpcis_training.finetune import Request, finetune
from typer.testing import CliRunner

from napari_gpcis.model.checkpoint import load_model, model_card

from .conftest import draw_cells


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    images, labels = tmp_path / "nuclei" / "images", tmp_path / "nuclei" / "labels"
    images.mkdir(parents=True)
    labels.mkdir()
    return images, labels


@pytest.fixture
def cells(folders: tuple[Path, Path]) -> tuple[Path, Path]:
    """Four labelled images."""
    images, labels = folders
    for index in range(4):
        image, numbers = draw_cells(index)
        iio.imwrite(images / f"{index}.png", image)
        tifffile.imwrite(labels / f"{index}_labels.tif", numbers)
    return folders


def scores(noc85: float, noc90: float = 9.0, iou1: float = 50.0) -> Scores:
    return Scores(6, noc85, noc90, iou1, 80.0, 0, 0, 100, 0)


def scripted(monkeypatch: pytest.MonkeyPatch, *answers: Scores) -> None:
    """Let the validations come out as told."""
    left = list(answers)
    monkeypatch.setattr(module, "evaluate", lambda network, crops: left.pop(0))


def run(cells: tuple[Path, Path], output: Path, model: Path, **wanted: Any) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    options = {"steps": 2, **wanted}
    finetune(Request(*cells, output, str(model), device="cpu", **options), events.append)
    return events


def weights(path: Path) -> dict[str, torch.Tensor]:
    return load_model(path).state_dict()


@pytest.mark.parametrize(
    ("image", "labels"),
    [
        ("a.png", "a.tif"),
        ("a.tif", "a_labels.tif"),
        ("a.ome.tif", "a-mask.png"),
        ("a.PNG", "a_cp_masks.png"),
        ("a_seg.png", "a_seg.tif"),
    ],
)
def test_labels_are_found_by_name(folders: tuple[Path, Path], image: str, labels: str) -> None:
    (folders[0] / image).touch()
    (folders[1] / labels).touch()
    (folders[0] / "notes.txt").touch()
    pairs, problems = pair_files(*folders)
    assert [(pair.image.name, pair.labels.name) for pair in pairs] == [(image, labels)]
    assert problems == []


def test_images_and_labels_may_share_a_folder(folders: tuple[Path, Path]) -> None:
    for name in ("a.png", "a_mask.png", "b.tif", "b_mask.png"):
        (folders[0] / name).touch()
    pairs, problems = pair_files(folders[0], folders[0])
    assert [pair.labels.name for pair in pairs] == ["a_mask.png", "b_mask.png"]
    assert problems == []


def test_all_bad_files_are_named_at_once(cells: tuple[Path, Path]) -> None:
    images, labels = cells
    iio.imwrite(images / "lonely.png", np.zeros((8, 8), np.uint8))
    iio.imwrite(labels / "stray.png", np.zeros((8, 8), np.uint8))
    iio.imwrite(labels / "0.png", draw_cells(0)[1])  # besides 0_labels.tif
    tifffile.imwrite(labels / "1_labels.tif", np.ones((96, 90), np.uint8))
    tifffile.imwrite(labels / "2_labels.tif", np.zeros((96, 96), np.uint8))
    (labels / "3_labels.tif").write_bytes((labels / "3_labels.tif").read_bytes()[:200])
    with pytest.raises(ValueError, match="6 files cannot be used") as caught:
        load_own_data(*cells, seed=0)
    lines = str(caught.value).splitlines()[1:]
    for name in ("lonely.png", "stray.png", "0_labels.tif", "1_labels", "2_labels", "3_labels"):
        assert any(name in line for line in lines), name
    assert any("96 × 90" in line and "96 × 96" in line for line in lines)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.full((96, 96), 0.5, np.float32), "not whole"),
        (np.full((96, 96), -1, np.int16), "negative"),
        (np.dstack([np.eye(96), np.zeros((96, 96)), np.eye(96)]).astype(np.uint8), "in colour"),
        (np.ones((5, 96, 96), np.uint8), "slices: 5, but the image has 1"),
    ],
)
def test_labels_that_are_none_are_refused(
    cells: tuple[Path, Path], labels: np.ndarray, words: str
) -> None:
    kind = "rgb" if labels.shape[-1] == 3 else "minisblack"
    tifffile.imwrite(cells[1] / "1_labels.tif", labels, photometric=kind)
    with pytest.raises(ValueError, match=rf"1_labels\.tif: .*{words}"):
        load_own_data(*cells, seed=0)


def test_labels_that_jpeg_has_blurred_are_refused(cells: tuple[Path, Path]) -> None:
    (cells[1] / "1_labels.tif").rename(cells[1] / "1.jpg")
    with pytest.raises(ValueError, match=r"1\.jpg: JPEG blurs"):
        load_own_data(*cells, seed=0)


def test_two_labelled_images_are_too_few(cells: tuple[Path, Path]) -> None:
    for index in (2, 3):
        (cells[0] / f"{index}.png").unlink()
        (cells[1] / f"{index}_labels.tif").unlink()
    with pytest.raises(ValueError, match="at least 3 labelled images or slices, got 2"):
        load_own_data(*cells, seed=0)


def test_binary_masks_become_objects_and_the_diameter_is_measured(
    folders: tuple[Path, Path],
) -> None:
    for index in range(3):
        image, labels = draw_cells(index)
        iio.imwrite(folders[0] / f"{index}.png", image)
        iio.imwrite(folders[1] / f"{index}.png", np.where(labels, 255, 0).astype(np.uint8))
    data = load_own_data(*folders, seed=0)
    assert data.name == "nuclei"
    assert data.objects == 9
    areas = np.concatenate(
        [item.objects[:, 5] for part in (data.training, data.held_out) for item in part.slices]
    )
    assert data.diameter == pytest.approx(2 * np.sqrt(np.median(areas) / np.pi))
    assert (len(data.training.slices), len(data.held_out.slices)) == (2, 1)


def test_a_stack_in_which_some_slices_are_labelled_is_enough(folders: tuple[Path, Path]) -> None:
    planes = [draw_cells(z) for z in range(6)]
    image = np.stack([plane for plane, _ in planes]).astype(np.uint16) * 100
    labels = np.stack([numbers for _, numbers in planes]).astype(np.int32) + 100_000
    labels[labels == 100_000] = 0
    labels[[1, 4]] = 0
    tifffile.imwrite(folders[0] / "s.tif", image, photometric="minisblack")
    tifffile.imwrite(folders[1] / "s.tif", labels, photometric="minisblack")
    data = load_own_data(*folders, seed=0)
    used = {item.name for part in (data.training, data.held_out) for item in part.slices}
    assert used == {f"s.tif[{z}]" for z in (0, 2, 3, 5)}
    assert data.objects == 12
    assert all(item.image.dtype == np.uint8 for item in data.training.slices)


def test_channels_are_mixed_into_colours(folders: tuple[Path, Path]) -> None:
    image, labels = draw_cells(0)
    both = np.stack([image, image.T]).astype(np.float32)
    both[0, 0, 0] = np.nan
    tifffile.imwrite(folders[0] / "a.tif", both, metadata={"axes": "CYX"})
    tifffile.imwrite(folders[1] / "a.tif", labels)
    (pair,), _ = pair_files(*folders)
    (plane,) = read_planes(pair, 0)
    assert plane.image.shape == (96, 96, 3)
    assert plane.image.max() == 255


def test_whole_files_are_held_out_by_the_seed() -> None:
    files = [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    chosen = set()
    for seed in range(8):
        train, held_out = split(files, seed)
        assert sorted(train + held_out) == list(range(10))
        assert {files[index] for index in train}.isdisjoint(files[index] for index in held_out)
        assert split(files, seed) == (train, held_out)
        chosen.add(tuple(held_out))
    assert len(chosen) > 1


def test_of_one_stack_a_block_is_held_out_and_its_neighbours_are_left_out() -> None:
    train, held_out = split([0] * 20, seed=3)
    assert held_out == list(range(held_out[0], held_out[0] + 4))
    assert min(abs(a - b) for a in train for b in held_out) == 2
    assert len(train) >= 14


def test_the_best_validated_state_is_written_with_its_card(
    cells: tuple[Path, Path], tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, scores(5), scores(6), scores(3), scores(4))
    output = tmp_path / "mine.safetensors"
    events = run(cells, output, tiny_model, steps=3)
    assert [event["event"] for event in events] == [
        "start",
        "validation",
        *["progress", "validation"] * 3,
        "done",
    ]
    done = events[-1]
    assert (done["before"]["noc85"], done["after"]["noc85"]) == (5, 3)
    assert (done["improved"], done["step"], done["stopped"]) == (True, 2, False)
    json.dumps(events)
    card = model_card(output)
    assert card.training["data"] == {"nuclei": "the user's own"}
    assert (card.training["images"], card.training["objects"]) == (4, 12)
    assert card.training["parent"] == {"model": "tiny", "training": {"data": "none"}}
    assert card.scores["held out, before"]["noc85"] == 5
    assert card.scores["held out"]["noc85"] == 3
    start, end = weights(tiny_model), weights(output)
    assert any(not torch.equal(start[name], end[name]) for name in start)


def test_a_model_that_became_worse_is_not_written(
    cells: tuple[Path, Path], tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, scores(3), scores(5), scores(3, noc90=9.1))
    output = tmp_path / "mine.safetensors"
    done = run(cells, output, tiny_model)[-1]
    assert not done["improved"]
    assert done["before"] == done["after"]
    start, end = weights(tiny_model), weights(output)
    assert all(torch.equal(start[name], end[name]) for name in start)


def test_a_stop_writes_the_best_so_far(
    cells: tuple[Path, Path], tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, *[scores(9 - turn) for turn in range(9)])
    events: list[dict[str, Any]] = []

    def tell(event: dict[str, Any]) -> None:
        events.append(event)
        if event["event"] == "progress" and event["step"] == 2:
            os.kill(os.getpid(), signal.SIGINT)

    output = tmp_path / "mine.safetensors"
    request = Request(*cells, output, str(tiny_model), steps=8, device="cpu")
    assert finetune(request, tell)
    done = events[-1]
    assert (done["stopped"], done["step"], done["after"]["noc85"]) == (True, 1, 8)
    assert model_card(output).training["steps"] == 1


def test_minutes_end_the_training(
    cells: tuple[Path, Path], tmp_path: Path, tiny_model: Path
) -> None:
    output = tmp_path / "mine.safetensors"
    events = run(cells, output, tiny_model, steps=None, minutes=0.02)
    progress = [event for event in events if event["event"] == "progress"]
    assert progress[-1]["step"] == progress[-1]["steps"]
    assert progress[-1]["left"] == 0
    assert progress[-1]["seconds"] < 20
    assert events[-1]["after"]["noc85"] <= events[-1]["before"]["noc85"]


def test_the_same_seed_trains_the_same_model(
    cells: tuple[Path, Path], tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, *[scores(5)] * 9)
    first = run(cells, tmp_path / "a.safetensors", tiny_model)
    second = run(cells, tmp_path / "b.safetensors", tiny_model)
    losses = [[e["loss"] for e in events if e["event"] == "progress"] for events in (first, second)]
    assert losses[0] == losses[1]
    other = run(cells, tmp_path / "c.safetensors", tiny_model, seed=1)
    assert [e["loss"] for e in other if e["event"] == "progress"] != losses[0]


def test_more_objects_make_the_recipe_longer_and_bolder(
    cells: tuple[Path, Path], tiny_model: Path
) -> None:
    card, request = model_card(tiny_model), Request(*cells, Path("x.safetensors"))
    data = load_own_data(*cells, seed=0)
    few = module._recipe(card, data, request).optimiser
    (many_slices,) = [data.training.slices[:1] * 400]
    many_data = type(data)(
        data.name, type(data.training)(data.training.source, many_slices), data.held_out, 20.0
    )
    many = module._recipe(card, many_data, request).optimiser
    assert few.steps < many.steps
    assert few.learning_rate < many.learning_rate < 1e-3


def arguments(cells: tuple[Path, Path], output: Path, model: Path, *more: str) -> list[str]:
    data = ["--images", str(cells[0]), "--labels", str(cells[1])]
    return [*data, "--output", str(output), "--model", str(model), "--device", "cpu", *more]


def test_the_command_shows_before_and_after(
    cells: tuple[Path, Path], tmp_path: Path, tiny_model: Path
) -> None:
    output = tmp_path / "mine.safetensors"
    options = arguments(cells, output, tiny_model, "--steps", "1")
    done = CliRunner().invoke(app, ["finetune", *options])
    assert done.exit_code == 0, done.output
    assert "before" in done.output and "after" in done.output
    assert str(output) in done.output.replace("\n", "")
    assert load_model(output).config == load_model(tiny_model).config


def test_bad_data_is_a_message_and_exit_code_2(
    cells: tuple[Path, Path], tmp_path: Path, tiny_model: Path
) -> None:
    (cells[1] / "1_labels.tif").unlink()
    output = tmp_path / "mine.safetensors"
    done = CliRunner().invoke(app, ["finetune", *arguments(cells, output, tiny_model)])
    assert done.exit_code == 2
    assert "1.png: there are no labels of that name" in done.output
    assert "Traceback" not in done.output
    options = arguments(cells, output, tiny_model, "--json")
    done = CliRunner().invoke(app, ["finetune", *options])
    assert done.exit_code == 2
    event = json.loads(done.stdout)
    assert event["event"] == "error"
    assert "1.png" in event["message"]
    assert not list(tmp_path.glob("*.safetensors*"))


def test_a_place_that_cannot_be_written_to_is_found_before_the_work(
    cells: tuple[Path, Path], tmp_path: Path, tiny_model: Path
) -> None:
    output = tmp_path / "nowhere" / "mine.safetensors"
    with pytest.raises(ValueError, match="there is no folder"):
        run(cells, output, tiny_model)
    with pytest.raises(ValueError, match=r"ends in \.safetensors"):
        run(cells, tmp_path / "mine.pt", tiny_model)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM for other programs")
@pytest.mark.slow
def test_sigterm_stops_the_command_cleanly(
    cells: tuple[Path, Path], tmp_path: Path, tiny_model: Path
) -> None:
    output = tmp_path / "mine.safetensors"
    options = arguments(cells, output, tiny_model, "--minutes", "5", "--json")
    command = [sys.executable, "-m", "napari_gpcis.cli", "finetune", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        stdout = process.stdout
        assert stdout is not None
        events = []
        for line in stdout:
            events.append(json.loads(line))
            if len([event for event in events if event["event"] == "progress"]) == 2:
                process.send_signal(signal.SIGTERM)
                told = time.monotonic()
                break
        events += [json.loads(line) for line in stdout]
        assert process.wait(timeout=60) == 0
    assert time.monotonic() - told < 30
    assert events[-1]["event"] == "done"
    assert events[-1]["stopped"]
    assert model_card(output).training["parent"]["model"] == "tiny"
