from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import imageio.v3 as iio
import pytest
import torch
import typer
from napari_gpcis_training.benchmark.run import choose_size, model_names
from napari_gpcis_training.commands.benchmark import benchmark
from napari_gpcis_training.options import BenchmarkOptions
from typer.testing import CliRunner

from napari_gpcis.model import NetworkConfig, build_network, save_checkpoint

app = typer.Typer()
app.command()(benchmark)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Untrained networks with both heads."""
    paths = []
    for head in ("gp", "conv"):
        torch.manual_seed(0)
        config = NetworkConfig(
            encoder="test_efficientnet", channels=8, feature_dim=8, fourier_features=8, head=head
        )
        paths.append(tmp_path_factory.mktemp(head) / f"tiny_{head}.safetensors")
        save_checkpoint(paths[-1], build_network(config), training={}, scores={})
    return paths


def run(*options: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(option) for option in options])
    return result.exit_code, result.output


def test_models_and_peers_are_compared_in_one_run(
    data_root: Path, tmp_path: Path, models: list[Path]
) -> None:
    output = tmp_path / "report"
    options = ["--dataset", data_root, "--output", output, "--crop-size", 64, "--device", "cpu"]
    options += ["--model", models[0], "--peer", "random-walker", "--objects", 1]
    code, text = run(*options)
    assert code == 0, text
    names = {path.name for path in output.iterdir()}
    assert {"table.md", "table.csv", "table.json", "records.jsonl", "settings.json"} <= names
    assert {"curves.png", "curves_cells.png", "reached_volume.png"} <= names
    assert {"worst_cells_tiny_gp.png", "worst_volume_tiny_gp.png"} <= names
    assert sum(name.startswith("worst_cells_random") for name in names) == 1
    assert iio.imread(output / "worst_cells_tiny_gp.png").ndim == 3

    lines = (output / "table.csv").read_text(encoding="utf-8").splitlines()
    rows = list(csv.DictReader(lines))
    assert len(rows) == 4
    gp = [row for row in rows if row["model"] == "tiny_gp"]
    assert [int(row["objects"]) for row in gp] == [1, 1]
    assert [int(row["noic"]) for row in gp] == [0, 0]
    assert int(gp[0]["parameters"]) > 1000
    facts = json.loads((output / "table.json").read_text(encoding="utf-8"))["facts"]
    assert facts["device"] == "cpu"
    assert "64² px" in facts["protocol"]
    assert "later ones" in facts["times of tiny_gp"]
    assert {"processor", "threads", "versions", "date"} <= set(facts)

    code, text = run(*options)
    assert code == 2
    assert "--resume" in text
    before = (output / "records.jsonl").read_bytes()
    code, text = run(*options, "--resume")
    assert code == 0, text
    assert (output / "records.jsonl").read_bytes() == before


def test_sessions_are_measured_too(data_root: Path, tmp_path: Path, models: list[Path]) -> None:
    options = ["--protocol", "session", "--no-diameter", "--objects", 1]
    options += ["--model", models[0], "--model", models[1]]
    code, text = run("--dataset", data_root / "cells", "--output", tmp_path, *options)
    assert code == 0, text
    assert "tiny_conv" in (tmp_path / "table.md").read_text(encoding="utf-8")
    facts = json.loads((tmp_path / "table.json").read_text(encoding="utf-8"))["facts"]
    assert "do not know" in facts["protocol"]


def test_a_broken_image_is_reported_and_does_not_stop_the_rest(
    data_root: Path, tmp_path: Path
) -> None:
    shutil.copytree(data_root / "cells", tmp_path / "cells")
    (tmp_path / "cells" / "images" / "00.png").write_bytes(b"no image")
    options = ["--dataset", tmp_path / "cells", "--output", tmp_path / "report"]
    code, text = run(*options, "--peer", "grabcut", "--per-image", 1)
    assert code == 0, text
    assert "00" in text
    assert "1 objects" in (tmp_path / "report" / "table.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "nobody"], "expected the name of a model"),
        (["--device", "abacus"], "expected a device"),
        (["--layout", "imagenet"], "expected a layout"),
        (["--crop-size", "100"], "multiple of 32 px"),
    ],
)
def test_what_cannot_be_is_one_line_and_exit_code_2(
    data_root: Path, tmp_path: Path, models: list[Path], options: list[str], message: str
) -> None:
    chosen = [] if "--model" in options else ["--model", models[0]]
    code, text = run(
        "--dataset", data_root / "cells", "--output", tmp_path / "report", *chosen, *options
    )
    assert code == 2
    assert message in " ".join(text.split())
    assert "Traceback" not in text
    assert not (tmp_path / "report").exists()


def test_models_are_named_after_their_files_and_folders_where_need_be() -> None:
    assert model_names(("default", "default")) == {"default": "default"}
    paths = ("runs/a/model.safetensors", "runs/b/model.safetensors", "conv.safetensors")
    assert list(model_names(paths)) == ["a/model", "b/model", "conv"]
    with pytest.raises(ValueError, match="told apart"):
        model_names(("one/a/model.safetensors", "two/a/model.safetensors"))


def test_sbd_has_smaller_crops_and_no_company() -> None:
    from napari_gpcis_training.benchmark.objects import ObjectSet

    sbd, davis = ObjectSet("SBD", Path(), "sbd", ()), ObjectSet("DAVIS", Path(), "davis", ())
    options = BenchmarkOptions([], Path("out"))
    assert choose_size(options, [sbd]) == 256
    assert choose_size(options, [davis]) == 384
    with pytest.raises(ValueError, match="--crop-size"):
        choose_size(options, [sbd, davis])
    assert choose_size(BenchmarkOptions([], Path("out"), crop_size=320), [sbd, davis]) == 320


@pytest.mark.slow
def test_class_mode_is_compared_where_the_labels_name_classes(
    data_root: Path, tmp_path: Path, models: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_gpcis_training.benchmark.class_mode import benchmark as classes

    monkeypatch.setattr(classes.class_report, "__defaults__", (3, 0))
    options = ["--class-mode", "--objects", 1, "--crop-size", 64]
    options += ["--model", models[0], "--model", models[1]]
    code, text = run("--dataset", data_root / "cells", "--output", tmp_path, *options)
    assert code == 0, text
    assert (tmp_path / "classes_tiny_gp" / "classes.md").exists()
    assert "tiny_conv has no class mode" in text
