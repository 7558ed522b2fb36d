from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from napari_gpcis.model import NetworkConfig, SegmentationNetwork, build_network, folders
from napari_gpcis.model.checkpoint import (
    ModelFileError,
    list_models,
    load_checkpoint,
    load_model,
    model_card,
    save_checkpoint,
    user_models_folder,
)

CONFIG = NetworkConfig(encoder="test_resnet", channels=8, feature_dim=8, fourier_features=16)
TRAINING = {"data": [{"name": "dsb2018", "licence": "CC0"}], "recipe": {"steps": 12}}
SCORES = {"dsb2018": {"NoC@85": 3.25}}


@pytest.fixture(autouse=True)
def own_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder of models, which does not exist yet."""
    folder = tmp_path / "own"
    monkeypatch.setenv("NAPARI_GPCIS_MODELS", str(folder))
    return folder


@pytest.fixture
def network() -> SegmentationNetwork:
    torch.manual_seed(0)
    return build_network(CONFIG)


@pytest.fixture
def saved(network: SegmentationNetwork, tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, network, training=TRAINING, scores=SCORES, licence="BSD-3-Clause")
    return path


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saved: Path) -> Path:
    """A package whose weights folder holds two models."""
    folder = tmp_path / "weights"
    folder.mkdir()
    for name in ("default", "cells"):
        (folder / f"{name}.safetensors").write_bytes(saved.read_bytes())
    (folder / "README.md").write_text("no model")
    monkeypatch.setattr(folders, "files", lambda package: tmp_path)
    return folder


def metadata_of(path: Path) -> dict[str, str]:
    with safe_open(path, framework="pt") as file:
        return dict(file.metadata())


def rewrite(path: Path, **changes: str | None) -> None:
    """Change or remove metadata, keep the tensors."""
    metadata: dict[str, Any] = {**metadata_of(path), **changes}
    save_file(load_file(path), path, {key: text for key, text in metadata.items() if text})


def error_of(path: Path) -> str:
    with pytest.raises(ModelFileError) as caught:
        load_checkpoint(path)
    message = str(caught.value)
    assert "\n" not in message
    assert "; " in message, "an error says what to do"
    return message


def test_a_model_comes_back_as_it_was_saved(network: SegmentationNetwork, saved: Path) -> None:
    loaded = load_checkpoint(saved)

    assert loaded.config == CONFIG
    assert not loaded.training
    assert loaded.state_dict().keys() == network.state_dict().keys()
    for name, tensor in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name


def test_a_paper_network_comes_back_too(tmp_path: Path) -> None:
    config = NetworkConfig(fusion="paper", encoder="test_resnet", head="conv", feature_dim=8)
    network = build_network(config)
    image, clicks = torch.rand(1, 3, 16, 24), [torch.tensor([[3.0, 4.0, 1.0]])]

    save_checkpoint(tmp_path / "a.safetensors", network, training={}, scores={})
    loaded = load_checkpoint(tmp_path / "a.safetensors")

    with torch.inference_mode():
        assert torch.equal(loaded(image, clicks, None), network(image, clicks, None))


def test_a_network_with_channels_last_weights_can_be_saved(
    network: SegmentationNetwork, tmp_path: Path
) -> None:
    save_checkpoint(
        tmp_path / "a.safetensors",
        network.to(memory_format=torch.channels_last),
        training={},
        scores={},
    )

    load_checkpoint(tmp_path / "a.safetensors")


def test_half_precision_halves_the_file_and_loads_as_float32(
    network: SegmentationNetwork, saved: Path, tmp_path: Path
) -> None:
    half = tmp_path / "half.safetensors"
    save_checkpoint(half, network, training=TRAINING, scores=SCORES, half=True)

    assert half.stat().st_size < 0.6 * saved.stat().st_size
    loaded = load_checkpoint(half).state_dict()
    for name, tensor in network.state_dict().items():
        assert loaded[name].dtype == tensor.dtype, name
        torch.testing.assert_close(loaded[name], tensor, rtol=1e-3, atol=1e-6)


def test_numbers_beyond_half_precision_are_kept(
    network: SegmentationNetwork, tmp_path: Path
) -> None:
    state = network.state_dict()
    norm = next(name for name in state if name.endswith("running_var"))
    state[norm][0] = 1e-9
    state["fusion.projection.weight"][0, 0] = 1e6

    save_checkpoint(tmp_path / "a.safetensors", network, training={}, scores={}, half=True)
    loaded = load_checkpoint(tmp_path / "a.safetensors").state_dict()

    assert loaded[norm][0] == state[norm][0]
    assert loaded["fusion.projection.weight"][0, 0, 0, 0] == 1e6


def test_the_card_holds_what_was_saved(saved: Path) -> None:
    card = model_card(saved)

    assert (card.name, card.path, card.config) == ("model", saved, CONFIG)
    assert (card.training, card.scores, card.licence) == (TRAINING, SCORES, "BSD-3-Clause")


def test_a_card_is_plain_json_for_other_readers(saved: Path) -> None:
    metadata = metadata_of(saved)

    assert (metadata["format"], metadata["format_version"]) == ("napari-gpcis", "1")
    assert NetworkConfig(**json.loads(metadata["config"])) == CONFIG
    assert set(json.loads(metadata["config"])) == set(asdict(CONFIG))
    assert json.loads(metadata["scores"]) == SCORES


def test_shipped_models_are_found_by_name(weights: Path) -> None:
    assert list_models() == ["cells", "default"]
    assert load_model("default").config == CONFIG
    assert model_card("cells").name == "cells"


def test_models_of_the_user_come_after_the_shipped_ones(
    network: SegmentationNetwork, weights: Path, own_models: Path
) -> None:
    own_models.mkdir()
    for name in ("lab.v2", "albumen", "default"):
        save_checkpoint(own_models / f"{name}.safetensors", network, training={}, scores={})
    (own_models / ".half.safetensors").write_bytes(b"")

    assert list_models() == ["cells", "default", "albumen", "lab.v2"]
    assert model_card("lab.v2").path == own_models / "lab.v2.safetensors"
    assert load_model("albumen").config == CONFIG
    assert model_card("default").path == weights / "default.safetensors"


def test_without_the_variable_the_users_models_lie_in_the_users_data(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NAPARI_GPCIS_MODELS")
    assert user_models_folder().parts[-2:] == ("napari-gpcis", "models")


def test_asking_where_models_lie_loads_no_torch() -> None:
    program = (
        "import sys\nfrom napari_gpcis.model import model_files, user_models_folder\n"
        "print('default' in model_files(), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.split() == ["True", "False"]


def test_models_are_found_by_path(saved: Path, weights: Path) -> None:
    assert load_model(saved).config == CONFIG
    assert load_model(str(saved)).config == CONFIG


def test_a_model_goes_to_the_device(saved: Path) -> None:
    assert next(load_model(saved, "meta").parameters()).device.type == "meta"


def test_an_unknown_name_lists_what_there_is(weights: Path) -> None:
    with pytest.raises(ModelFileError, match=r"\(cells, default\).*got 'defualt'"):
        load_model("defualt")


def test_without_shipped_models_the_list_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "files", lambda package: tmp_path)

    assert list_models() == []
    with pytest.raises(ModelFileError, match="none is installed"):
        load_model("default")


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    assert "no such file" in error_of(tmp_path / "a.safetensors")
    with pytest.raises(ModelFileError, match="no such file"):
        load_model(tmp_path / "a.safetensors")
    error_of(tmp_path)


@pytest.mark.parametrize("keep", [0, 4, 200, -1])
def test_truncated_files_are_refused(saved: Path, keep: int) -> None:
    os.truncate(saved, keep % saved.stat().st_size)

    assert "truncated" in error_of(saved)


@pytest.mark.parametrize(
    "content", [b"hello, world", b"\x80\x02}q\x00.", b"\xff" * 64, b"\x02\0\0\0\0\0\0\0{}"]
)
def test_foreign_files_are_refused(saved: Path, content: bytes) -> None:
    saved.write_bytes(content)

    error_of(saved)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_safetensors_of_others_are_refused(metadata: dict[str, str] | None, tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, tmp_path / "a.safetensors", metadata)

    assert "napari-gpcis models import" in error_of(tmp_path / "a.safetensors")


@pytest.mark.parametrize("version", ["2", "one", None])
def test_another_format_version_is_refused(saved: Path, version: str | None) -> None:
    rewrite(saved, format_version=version)

    assert "update napari-gpcis" in error_of(saved)


@pytest.mark.parametrize("text", [None, "{", "[]", "3", '{"unknown": 1}', '{"channels": "many"}'])
def test_a_configuration_that_makes_no_sense_is_refused(saved: Path, text: str | None) -> None:
    rewrite(saved, config=text)

    error_of(saved)


@pytest.mark.parametrize(
    "change",
    [{"encoder": "no_such_encoder"}, {"encoder": "hf-hub:a/b"}, {"channels": 8.5}],
)
def test_a_network_that_cannot_be_built_is_refused(saved: Path, change: dict[str, Any]) -> None:
    rewrite(saved, config=json.dumps({**asdict(CONFIG), **change}))

    assert "update napari-gpcis and timm" in error_of(saved)


@pytest.mark.parametrize("field", ["training", "scores"])
@pytest.mark.parametrize("text", [None, "{", "3"])
def test_a_card_that_cannot_be_read_is_refused(saved: Path, field: str, text: str | None) -> None:
    rewrite(saved, **{field: text})

    assert "model card" in error_of(saved)


def test_tensors_that_do_not_fit_the_configuration_are_named(saved: Path) -> None:
    rewrite(saved, config=json.dumps(asdict(replace(CONFIG, feature_dim=9))))

    assert "another shape or type of fusion.projection.bias" in error_of(saved)


def test_missing_and_left_over_tensors_are_named(saved: Path) -> None:
    tensors, metadata = load_file(saved), metadata_of(saved)
    bias = tensors.pop("fusion.projection.bias")
    save_file(tensors, saved, metadata)
    assert "without fusion.projection.bias" in error_of(saved)

    save_file({**tensors, "fusion.projection.bias": bias, "extra": bias + 1}, saved, metadata)
    assert "unknown extra" in error_of(saved)


def test_a_failed_save_leaves_the_old_file_and_no_other(
    network: SegmentationNetwork, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved.read_bytes()

    def fill_the_disk(path: Path, content: bytes) -> None:
        with path.open("wb") as file:
            file.write(content[:9])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fill_the_disk)
    with pytest.raises(ModelFileError, match="No space left"):
        save_checkpoint(saved, network, training={}, scores={})

    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_others_may_read_a_saved_model(saved: Path) -> None:
    plain = saved.with_name("plain")
    plain.touch()
    assert saved.stat().st_mode == plain.stat().st_mode


def test_saving_into_no_folder_is_an_error(network: SegmentationNetwork, saved: Path) -> None:
    for path in (saved.parent / "no" / "a.safetensors", saved / "a.safetensors"):
        with pytest.raises(ModelFileError, match="folder that exists"):
            save_checkpoint(path, network, training={}, scores={})
