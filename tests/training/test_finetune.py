from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
import torch
from napari_gpcis_training.cli import app
from napari_gpcis_training.data.own import load_own_data
from napari_gpcis_training.evaluate import ValidationScores
from napari_gpcis_training.finetuning import run as module
from napari_gpcis_training.finetuning.recipe import keep_statistics, recipe
from napari_gpcis_training.finetuning.run import finetune_model
from napari_gpcis_training.finetuning.saving import KeptElsewhereError
from napari_gpcis_training.options import FinetuneOptions
from typer.testing import CliRunner

from napari_gpcis.model.checkpoint import load_model, model_card, save_checkpoint

from .conftest import draw_cells


def scores(noc85: float, noc90: float = 9.0, iou1: float = 50.0) -> ValidationScores:
    return ValidationScores(6, noc85, noc90, iou1, 80.0, 0, 0, 100, 0)


def scripted(monkeypatch: pytest.MonkeyPatch, *answers: ValidationScores) -> None:
    """Let the validations come out as told."""
    left = list(answers)
    monkeypatch.setattr(module, "evaluate", lambda network, crops: left.pop(0))


def run(cells: tuple[Path, Path], output: Path, model: Path, **wanted: Any) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    options = {"steps": 2, **wanted}
    finetune_model(
        FinetuneOptions(*cells, output, str(model), device="cpu", **options), events.append
    )
    return events


def weights(path: Path) -> dict[str, torch.Tensor]:
    return load_model(path).state_dict()


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
    assert card.config.image_diameter == card.training["object_diameter"]
    assert model_card(tiny_model).config.image_diameter is None
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


def test_fewer_clicks_to_90_do_not_outweigh_more_clicks_to_85(
    cells: tuple[Path, Path], tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, scores(5, 9), scores(5.1, 6), scores(5, 8))
    done = run(cells, tmp_path / "mine.safetensors", tiny_model)[-1]
    assert (done["step"], done["after"]["noc90"]) == (2, 8)


@pytest.fixture
def eight(folders: tuple[Path, Path]) -> tuple[Path, Path]:
    """Eight labelled images: enough to choose by some and to test on others."""
    for index in range(8):
        image, numbers = draw_cells(index)
        iio.imwrite(folders[0] / f"{index}.png", image)
        iio.imwrite(folders[1] / f"{index}.png", numbers)
    return folders


def test_of_eight_images_the_scores_are_of_one_that_nothing_was_chosen_by(
    eight: tuple[Path, Path], tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # in this order: selection, test, two validations, test
    scripted(monkeypatch, scores(9), scores(8), scores(2), scores(3), scores(7))
    output = tmp_path / "mine.safetensors"
    start, *middle, done = run(eight, output, tiny_model)
    assert start["independent"]
    assert (start["training"], start["selection"], start["held_out"]) == (6, 1, 1)
    assert [event["noc85"] for event in middle if event["event"] == "validation"] == [9, 2, 3]
    assert (done["before"]["noc85"], done["after"]["noc85"], done["step"]) == (8, 7, 1)
    assert done["independent"] and done["improved"] and not done["refused"]
    card = model_card(output)
    split = card.training["split"]
    names = [name for part in ("training", "selection", "test") for name in split[part]]
    assert sorted(Path(name).stem for name in names) == [str(index) for index in range(8)]
    assert card.training["scores_of"] == "split.test"
    assert card.scores["held out"]["noc85"] == 7


def test_a_state_that_fails_the_test_is_refused_and_the_first_model_written(
    eight: tuple[Path, Path], tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, scores(9), scores(8), scores(2), scores(3), scores(8.5))
    output = tmp_path / "mine.safetensors"
    done = run(eight, output, tiny_model)[-1]
    assert done["refused"] and not done["improved"]
    assert done["before"] == done["after"]
    start, end = weights(tiny_model), weights(output)
    assert all(torch.equal(start[name], end[name]) for name in start)
    assert model_card(output).training["steps"] == 0


def test_an_impatient_second_stop_still_writes_the_state_that_was_chosen(
    eight: tuple[Path, Path], tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [scores(9), scores(8), scores(2), scores(3)]

    def evaluate(network: object, crops: object) -> ValidationScores:
        if not left:
            raise KeyboardInterrupt
        return left.pop(0)

    monkeypatch.setattr(module, "evaluate", evaluate)
    done = run(eight, tmp_path / "mine.safetensors", tiny_model)[-1]
    assert (done["before"]["noc85"], done["after"]["noc85"]) == (9, 2)
    assert done["improved"] and not done["independent"]


def test_with_few_images_the_card_says_that_the_scores_flatter(
    cells: tuple[Path, Path], tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, scores(5), scores(4), scores(3))
    output = tmp_path / "mine.safetensors"
    start, *_, done = run(cells, output, tiny_model)
    assert not start["independent"] and not done["independent"]
    assert "flatter" in model_card(output).training["scores_of"]


def test_three_slices_of_one_volume_are_enough(
    folders: tuple[Path, Path], tmp_path: Path, tiny_model: Path
) -> None:
    planes = [draw_cells(z) for z in range(3)]
    for folder, stack in zip(folders, zip(*planes, strict=True), strict=True):
        tifffile.imwrite(folder / "s.tif", np.stack(stack), photometric="minisblack")
    events = run(folders, tmp_path / "mine.safetensors", tiny_model, steps=1)
    assert (events[0]["images"], events[0]["training"], events[0]["held_out"]) == (3, 2, 1)
    assert events[-1]["event"] == "done"


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Heed Ctrl-C, which a shell lets what it starts in the background ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
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
    request = FinetuneOptions(*cells, output, str(tiny_model), steps=8, device="cpu")
    assert finetune_model(request, tell)
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
    card, training = model_card(tiny_model), load_own_data(*cells, seed=0).training
    many_slices = type(training)(training.source, training.slices[:1] * 400)
    few = recipe(card, training, None, seed=0).optimiser
    many = recipe(card, many_slices, None, seed=0).optimiser
    assert few.steps < many.steps
    assert few.learning_rate < many.learning_rate
    assert recipe(card, training, 7, seed=0).optimiser.steps == 7


def test_batch_norms_keep_their_statistics_and_the_network_its_answers(tiny_model: Path) -> None:
    network = load_model(tiny_model)
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    clicks = [torch.tensor([[30.0, 30.0, 1.0]])]

    def answer() -> torch.Tensor:
        deep = network.decode(network.encode(images), clicks, torch.zeros_like(images[:, :1]))
        return network.classify(deep, network.colour(images), clicks).logits

    with torch.no_grad():
        before, names = answer(), list(network.state_dict())
        keep_statistics(network)
        norms = [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
        network.train()
        kept = [norm for norm in norms if not norm.training]
        assert kept and all(norm.weight.requires_grad for norm in kept)
        statistics = [norm.get_buffer("running_mean").clone() for norm in kept]
        answer()
        for norm, mean in zip(kept, statistics, strict=True):
            torch.testing.assert_close(norm.get_buffer("running_mean"), mean, rtol=0, atol=0)
        network.eval()
        torch.testing.assert_close(answer(), before, rtol=0, atol=0)
        assert list(network.state_dict()) == names


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


def cut_short(cells: tuple[Path, Path]) -> str:
    path = cells[1] / "1_labels.tif"
    path.write_bytes(path.read_bytes()[:200])
    return "1_labels"


def of_another_size(cells: tuple[Path, Path]) -> str:
    tifffile.imwrite(cells[1] / "1_labels.tif", np.ones((96, 90), np.uint8))
    return "96 × 90"


def without_an_object(cells: tuple[Path, Path]) -> str:
    tifffile.imwrite(cells[1] / "1_labels.tif", np.zeros((96, 96), np.uint8))
    return "1_labels"


def without_any_pair(cells: tuple[Path, Path]) -> str:
    for path in cells[1].iterdir():
        path.rename(path.with_name(f"other {path.name}"))
    return "other 1_labels"


def without_labels(cells: tuple[Path, Path]) -> str:
    for path in cells[1].iterdir():
        path.unlink()
    return "labels"


@pytest.mark.parametrize(
    "spoil", [cut_short, of_another_size, without_an_object, without_any_pair, without_labels]
)
def test_spoilt_data_costs_nothing_and_is_named(
    spoil: Callable[[tuple[Path, Path]], str],
    cells: tuple[Path, Path],
    tmp_path: Path,
    tiny_model: Path,
) -> None:
    named = spoil(cells)
    output = tmp_path / "mine.safetensors"
    output.write_bytes(b"the old one")
    done = CliRunner().invoke(app, ["finetune", *arguments(cells, output, tiny_model, "--json")])
    assert done.exit_code == 2
    (event,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert event["event"] == "error"
    assert named in event["message"]
    assert "Traceback" not in done.output
    assert output.read_bytes() == b"the old one"
    assert not list(tmp_path.glob(".*mine*"))


def test_a_place_that_cannot_be_written_to_is_found_before_the_work(
    cells: tuple[Path, Path], tmp_path: Path, tiny_model: Path
) -> None:
    output = tmp_path / "nowhere" / "mine.safetensors"
    with pytest.raises(ValueError, match="there is no folder"):
        run(cells, output, tiny_model)
    with pytest.raises(ValueError, match=r"ends in \.safetensors"):
        run(cells, tmp_path / "mine.pt", tiny_model)


def test_a_full_disk_is_found_before_the_work(
    cells: tuple[Path, Path], tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    events: list[dict[str, Any]] = []
    output = tmp_path / "mine.safetensors"
    with pytest.raises(ValueError, match="No space left"):
        finetune_model(FinetuneOptions(*cells, output, str(tiny_model)), events.append)
    assert events == []
    assert not list(tmp_path.glob("*mine*"))


def test_a_disk_that_fills_up_costs_neither_the_old_model_nor_the_new_one(
    cells: tuple[Path, Path], tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, scores(5), scores(4))
    output, kept = tmp_path / "disk" / "mine.safetensors", tmp_path / "models"
    output.parent.mkdir()
    output.write_bytes(b"the old one")
    before = tiny_model.read_bytes()
    monkeypatch.setenv("NAPARI_GPCIS_MODELS", str(kept))

    def fills_up(path: Path, *args: Any, **options: Any) -> None:
        if path.parent == output.parent:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        save_checkpoint(path, *args, **options)

    monkeypatch.setattr(module, "save_checkpoint", fills_up)
    options = arguments(cells, output, tiny_model, "--steps", "1", "--json")
    done = CliRunner().invoke(app, ["finetune", *options])
    assert done.exit_code == 2
    error = json.loads(done.stdout.splitlines()[-1])
    assert error["event"] == "error"
    assert "No space left" in error["message"] and error["kept"] in error["message"]
    assert output.read_bytes() == b"the old one"
    assert [path.name for path in output.parent.iterdir()] == ["mine.safetensors"]
    assert tiny_model.read_bytes() == before
    assert model_card(error["kept"]).scores["held out"]["noc85"] == 4


def test_where_no_folder_takes_the_model_that_is_said(
    cells: tuple[Path, Path], tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*args: Any, **options: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setenv("NAPARI_GPCIS_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(module, "save_checkpoint", refuses)
    with pytest.raises(KeptElsewhereError, match="no other folder took the model") as caught:
        run(cells, tmp_path / "mine.safetensors", tiny_model, steps=1)
    assert caught.value.kept is None


def test_curves_are_drawn_when_asked_for(
    cells: tuple[Path, Path], tmp_path: Path, tiny_model: Path
) -> None:
    options = arguments(cells, tmp_path / "mine.safetensors", tiny_model, "--steps", "2")
    done = CliRunner().invoke(app, ["finetune", *options, "--curves"])
    assert done.exit_code == 0, done.output
    assert iio.imread(tmp_path / "mine.png").std() > 1


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
