from __future__ import annotations

import csv
import math
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from napari_gpcis_training.batches import StepDataset
from napari_gpcis_training.checkpoints import (
    BEFORE_DECAY,
    CHECKPOINT,
    load_state,
    save_state,
)
from napari_gpcis_training.config import TrainConfig, load_config
from napari_gpcis_training.curves import LOG
from napari_gpcis_training.data.sets import LabelledSet, load_set
from napari_gpcis_training.options import TrainOptions
from napari_gpcis_training.progress import LineProgress
from napari_gpcis_training.state import initial_state, load_encoder
from napari_gpcis_training.trainer import fit, training_step

CPU = torch.device("cpu")


class Heard(LineProgress):
    """Keeps what is said, and may answer it."""

    def __init__(self, answer: Callable[[str], None] = lambda message: None) -> None:
        self.messages: list[str] = []
        self.answer = answer

    def say(self, message: str) -> None:
        self.messages.append(message)
        self.answer(message)


@pytest.fixture
def config(config_path: Path) -> TrainConfig:
    return load_config(config_path)


@pytest.fixture
def sets(data_root: Path, config: TrainConfig) -> list[LabelledSet]:
    return [load_set(data_root, source, "train", 30) for source in config.data]


@pytest.mark.parametrize("head", ["gp", "conv"])
def test_steps_move_all_parameters_and_keep_the_loss_finite(
    head: str, config_path: Path, sets: list[LabelledSet]
) -> None:
    config = load_config(config_path, network__head=head)
    state = initial_state(config, None, CPU)
    before = {name: value.clone() for name, value in state.network.named_parameters()}
    dataset = StepDataset(sets, config)
    for step in range(3):
        report = training_step(state, dataset[step], config)
        assert math.isfinite(report.loss)
        assert 0 <= report.last_iou <= 1
        assert report.clicks >= 1
    still = [
        name for name, value in state.network.named_parameters() if torch.equal(value, before[name])
    ]
    assert still == []


def test_training_improves_the_masks_of_one_batch(
    config: TrainConfig, sets: list[LabelledSet]
) -> None:
    state = initial_state(config, None, CPU)
    batch = StepDataset(sets, config)[1]
    overlaps = [training_step(state, batch, config).last_iou for _ in range(60)]
    assert sum(overlaps[-20:]) / 20 > sum(overlaps[:20]) / 20 + 0.1


def test_a_batch_is_a_function_of_seed_and_step(
    config: TrainConfig, sets: list[LabelledSet]
) -> None:
    dataset = StepDataset(sets, config)
    assert torch.equal(dataset[4].images, dataset[4].images)
    assert not torch.equal(dataset[4].images, dataset[5].images)


def test_some_steps_see_few_wide_crops(sets: list[LabelledSet], config: TrainConfig) -> None:
    dataset = StepDataset(sets, config)
    shapes = {tuple(dataset[step].images.shape) for step in range(20)}
    assert shapes == {(2, 3, 64, 64), (1, 3, 96, 96)}


def test_a_resumed_run_continues_exactly(
    config: TrainConfig, sets: list[LabelledSet], tmp_path: Path
) -> None:
    dataset = StepDataset(sets, config)
    straight = initial_state(config, None, CPU)
    losses = [training_step(straight, dataset[step], config).loss for step in range(4)]
    broken = initial_state(config, None, CPU)
    again = [training_step(broken, dataset[step], config).loss for step in range(2)]
    save_state(tmp_path / "half.pt", broken, config)
    resumed = initial_state(config, None, CPU)
    load_state(tmp_path / "half.pt", resumed)
    again += [training_step(resumed, dataset[step], config).loss for step in range(2, 4)]
    assert again == losses
    for name, value in straight.average.state_dict().items():
        assert torch.equal(value, resumed.average.state_dict()[name]), name


def test_a_checkpoint_of_another_network_or_a_foreign_file_is_refused(
    config: TrainConfig, config_path: Path, tmp_path: Path
) -> None:
    save_state(tmp_path / "gp.pt", initial_state(config, None, CPU), config)
    other = initial_state(load_config(config_path, network__head="conv"), None, CPU)
    with pytest.raises(ValueError, match="same --config and --head"):
        load_state(tmp_path / "gp.pt", other)
    (tmp_path / "foreign.pt").write_bytes(b"nothing of ours")
    with pytest.raises(ValueError, match="training checkpoint"):
        load_state(tmp_path / "foreign.pt", other)


def test_encoder_weights_of_another_network_are_refused(
    config: TrainConfig, tmp_path: Path
) -> None:
    from safetensors.torch import save_file

    save_file({"conv_stem.weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    network = initial_state(config, None, CPU).network
    with pytest.raises(ValueError, match="choose the file"):
        load_encoder(network, tmp_path / "other.safetensors")


def test_encoder_weights_reach_the_encoder(config: TrainConfig, tmp_path: Path) -> None:
    import timm
    from safetensors.torch import save_file

    whole = timm.create_model("test_efficientnet", num_classes=2)
    halves = {name: value.half() for name, value in whole.state_dict().items()}
    save_file(halves, tmp_path / "encoder.safetensors")
    network = initial_state(config, tmp_path / "encoder.safetensors", CPU).network
    loaded = network.get_submodule("fusion.encoder.backbone").state_dict()
    torch.testing.assert_close(loaded["conv_stem.weight"], halves["conv_stem.weight"].float())


def test_fit_runs_to_the_end_of_its_steps_and_logs(
    config: TrainConfig, sets: list[LabelledSet], tmp_path: Path
) -> None:
    state = initial_state(config, None, CPU)
    heard = Heard()
    assert fit(state, sets, config, TrainOptions(tmp_path, tmp_path, log_steps=2), progress=heard)
    assert state.step == config.optimiser.steps
    with (tmp_path / LOG).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [2, 4, 6]
    assert all(math.isfinite(float(row["loss"])) for row in rows)
    assert len(heard.messages) == 3
    assert (tmp_path / CHECKPOINT).exists()


def test_minutes_bring_the_run_to_its_end_with_a_decay(
    config: TrainConfig, sets: list[LabelledSet], tmp_path: Path
) -> None:
    state = initial_state(config, None, CPU)
    assert fit(
        state, sets, config, TrainOptions(tmp_path, tmp_path, minutes=0.03), progress=Heard()
    )
    assert state.seconds < 60
    assert state.schedule.decay_start is not None
    assert state.step == state.schedule.last_step
    assert (tmp_path / BEFORE_DECAY).exists()


def test_sigterm_leaves_a_checkpoint_from_which_the_run_goes_on(
    config: TrainConfig, sets: list[LabelledSet], tmp_path: Path
) -> None:
    state = initial_state(config, None, CPU)

    def stop(message: str) -> None:
        if message.startswith("step 2"):
            os.kill(os.getpid(), signal.SIGTERM)

    assert not fit(
        state, sets, config, TrainOptions(tmp_path, tmp_path, log_steps=2), progress=Heard(stop)
    )
    resumed = initial_state(config, None, CPU)
    load_state(tmp_path / CHECKPOINT, resumed)
    assert 2 <= resumed.step <= 3
    assert fit(resumed, sets, config, TrainOptions(tmp_path, tmp_path), progress=Heard())
    assert resumed.step == config.optimiser.steps


def test_class_mode_hides_the_clicks_from_the_network(
    config_path: Path, sets: list[LabelledSet]
) -> None:
    import numpy as np
    from napari_gpcis_training.augment import OTHER
    from napari_gpcis_training.simulation import Encoded, Interaction

    config = load_config(config_path, clicks__class_probability=1.0, clicks__rounds=2)
    batch = StepDataset(sets, config)[0]
    assert batch.class_mode.all()
    assert not (batch.codes == OTHER).any()
    network = initial_state(config, None, CPU).network.eval()
    seen: list[torch.Tensor] = []
    decode = network.decode
    network.decode = lambda pyramid, clicks, previous: (  # type: ignore[method-assign]
        seen.extend([*clicks, previous]) or decode(pyramid, clicks, previous)
    )
    rng = [np.random.default_rng(0)] * len(batch.images)
    interaction = Interaction.start(batch, rng, config.clicks)
    with torch.no_grad():
        answer = interaction.answer(network, Encoded.of(network, batch.images), 1e-2)
    before = [len(clicks) for clicks in interaction.clicks]
    interaction.correct(answer.logits, batch, rng, config.clicks)
    assert all(item.numel() == 0 or not item.any() for item in seen)
    assert not interaction.previous.any()
    assert [len(clicks) for clicks in interaction.clicks] != before
