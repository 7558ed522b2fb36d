from __future__ import annotations

import csv
import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from napari_gpcis_training import checkpoints
from napari_gpcis_training.checkpoints import (
    CHECKPOINT,
    PREVIOUS,
    load_average,
    load_state,
    resume_state,
    rotate_state,
)
from napari_gpcis_training.config import TrainConfig, load_config
from napari_gpcis_training.curves import LOG
from napari_gpcis_training.data.sets import LabelledSet, load_set
from napari_gpcis_training.logbook import TENSORBOARD
from napari_gpcis_training.options import TrainOptions
from napari_gpcis_training.progress import NoProgress
from napari_gpcis_training.state import TrainingState, initial_state
from napari_gpcis_training.trainer import fit

CPU = torch.device("cpu")

PROGRAM = """
import os, signal, sys
from pathlib import Path
import torch
from napari_gpcis_training.config import load_config
from napari_gpcis_training.data.sets import load_set
from napari_gpcis_training.progress import NoProgress
from napari_gpcis_training.state import initial_state
from napari_gpcis_training.options import TrainOptions
from napari_gpcis_training.trainer import fit
from napari_gpcis_training import trainer

class Killed(NoProgress):
    def row(self, row, minutes_left):
        if row["step"] == 4:
            os.kill(os.getpid(), signal.SIGKILL)

torch.set_num_threads(1)
data, config, output = sys.argv[1:]
config = load_config(config)
sets = [load_set(data, source, "train", 30) for source in config.data]
state = initial_state(config, None, torch.device("cpu"))
rotate = trainer.rotate_state
# checkpoints after step 1 and step 3 are written, the one after step 2 is not
trainer.rotate_state = lambda *given: state.step % 2 and rotate(*given)
options = TrainOptions(Path(data), Path(output), save_minutes=0, log_steps=2)
fit(state, sets, config, options, progress=Killed())
"""


@pytest.fixture
def config(config_path: Path) -> TrainConfig:
    return load_config(config_path)


@pytest.fixture
def sets(data_root: Path, config: TrainConfig) -> list[LabelledSet]:
    return [load_set(data_root, source, "train", 30) for source in config.data]


@pytest.fixture
def state(config: TrainConfig) -> TrainingState:
    return initial_state(config, None, CPU)


def rows_of(folder: Path) -> list[list[str]]:
    timed = {"minutes", "seconds_per_step", "crops_per_second"}
    with (folder / LOG).open(encoding="utf-8") as file:
        return [
            [value for key, value in row.items() if key not in timed]
            for row in csv.DictReader(file)
        ]


def steps_on_the_board(folder: Path) -> list[int]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / TENSORBOARD)).Reload()
    return [event.step for event in events.Scalars("train/loss")]


@pytest.mark.slow
def test_a_run_killed_between_checkpoints_goes_on_as_if_nothing_had_happened(
    data_root: Path,
    config_path: Path,
    config: TrainConfig,
    sets: list[LabelledSet],
    tmp_path: Path,
) -> None:
    undisturbed = initial_state(config, None, CPU)
    fit(
        undisturbed,
        sets,
        config,
        TrainOptions(data_root, tmp_path / "a", log_steps=2),
        progress=NoProgress(),
    )
    program, broken = tmp_path / "program.py", tmp_path / "b"
    program.write_text(PROGRAM, encoding="utf-8")
    done = subprocess.run([sys.executable, program, data_root, config_path, broken], timeout=300)
    assert done.returncode == -signal.SIGKILL
    assert [row[0] for row in rows_of(broken)] == ["2", "4"]
    resumed = initial_state(config, None, CPU)
    resume_state(broken, resumed)
    assert resumed.step == 3
    time.sleep(1.1)  # TensorBoard sorts its files by whole seconds
    fit(resumed, sets, config, TrainOptions(data_root, broken, log_steps=2), progress=NoProgress())
    for name, value in undisturbed.network.state_dict().items():
        assert torch.equal(resumed.network.state_dict()[name], value), name
    for name, value in undisturbed.average.state_dict().items():
        assert torch.equal(resumed.average.state_dict()[name], value), name
    assert rows_of(broken) == rows_of(tmp_path / "a")
    assert steps_on_the_board(broken) == [2, 4, 6]


def test_a_damaged_checkpoint_leaves_the_one_before(
    state: TrainingState, config: TrainConfig, tmp_path: Path
) -> None:
    for step in (5, 9):
        state.step = step
        rotate_state(tmp_path, state, config)
    whole = (tmp_path / CHECKPOINT).read_bytes()
    resume_state(tmp_path, state)
    assert state.step == 9
    (tmp_path / CHECKPOINT).write_bytes(whole[: len(whole) // 2])
    said: list[str] = []
    resume_state(tmp_path, state, said.append)
    assert state.step == 5
    assert PREVIOUS in said[0]
    (tmp_path / CHECKPOINT).unlink()
    state.step = 0
    resume_state(tmp_path, state)
    assert state.step == 5


def test_a_changed_byte_is_noticed(
    state: TrainingState, config: TrainConfig, tmp_path: Path
) -> None:
    rotate_state(tmp_path, state, config)
    content = bytearray((tmp_path / CHECKPOINT).read_bytes())
    # more than what lies between two tensors
    middle = len(content) // 2
    content[middle : middle + 300] = bytes(300)
    (tmp_path / CHECKPOINT).write_bytes(content)
    with pytest.raises(checkpoints.DamagedCheckpointError):
        load_state(tmp_path / CHECKPOINT, state)


def test_a_full_disk_is_told_and_costs_no_checkpoint(
    state: TrainingState, config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.step = 5
    rotate_state(tmp_path, state, config)

    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(checkpoints.os, "fsync", full)
    state.step = 9
    with pytest.raises(ValueError, match="No space left"):
        rotate_state(tmp_path, state, config)
    assert [path.name for path in tmp_path.glob("*check*")] == [CHECKPOINT]
    resume_state(tmp_path, state)
    assert state.step == 5


def test_nothing_to_go_on_with_is_said(state: TrainingState, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--resume"):
        resume_state(tmp_path, state)


def test_the_average_is_read_whatever_the_optimiser_was_told(
    state: TrainingState, config: TrainConfig, tmp_path: Path
) -> None:
    with torch.no_grad():
        for parameter in state.average.parameters():
            parameter.add_(1.0)
    # an encoder that was pretrained has a learning rate, and so a group, of its own
    state.optimiser.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))], "peak": 1.0})
    rotate_state(tmp_path, state, config)
    network = initial_state(config, None, CPU).network
    load_average(tmp_path / CHECKPOINT, network)
    for one, other in zip(network.parameters(), state.average.parameters(), strict=True):
        assert torch.equal(one, other)
