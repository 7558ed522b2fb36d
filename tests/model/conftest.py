"""A reference checkpoint whose weights follow from the names of its tensors."""

from __future__ import annotations

import math
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

DATA = Path(__file__).parents[1] / "data"


def make_tensor(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """The tensor that the oracle was computed with."""
    noise = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape)
    constants = {"maps_transform.3.scale": 0.5, "omega_var": 0.025, "weights": 0.3}
    if name in constants:
        values = np.full(shape, constants[name])
    elif name.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    elif name.endswith("running_var"):
        values = 1 + 0.5 * np.abs(noise)
    elif name.endswith((".bias", "running_mean")):
        values = 0.1 * noise
    elif name == "omega":
        values = 0.25 * noise
    elif name == "logsigma2":
        values = 1 + 0.2 * noise
    elif len(shape) >= 2:
        values = noise * math.sqrt(2 / math.prod(shape[1:]))
    else:
        values = 1 + 0.1 * noise
    return torch.tensor(values, dtype=torch.float32)


def read_shapes() -> dict[str, tuple[int, ...]]:
    shapes = {}
    for line in (DATA / "official_state_dict.txt").read_text(encoding="utf-8").splitlines():
        name, shape, _ = line.split("\t")
        shapes[name] = tuple(int(size) for size in shape.strip("()").split(",") if size.strip())
    return shapes


@pytest.fixture(scope="session")
def official_state() -> dict[str, torch.Tensor]:
    return {name: make_tensor(name, shape) for name, shape in read_shapes().items()}


@pytest.fixture(scope="session")
def hollow_state() -> dict[str, torch.Tensor]:
    """Right names, shapes and types, but one number each: small on disk."""
    return {
        name: torch.zeros((), dtype=torch.int64 if "num_batches" in name else torch.float32).expand(
            shape
        )
        for name, shape in read_shapes().items()
    }


@pytest.fixture(scope="session")
def model_oracle() -> dict[str, torch.Tensor]:
    with np.load(DATA / "model_oracle.npz") as oracle:
        return {name: torch.from_numpy(oracle[name]) for name in oracle.files}


@pytest.fixture(scope="session")
def oracle_clicks(model_oracle: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    """Row, column, label: the first half of the oracle's slots is positive, −1 is an empty one."""
    slots = model_oracle["points"][0]
    labels = torch.ones(len(slots), 1)
    labels[len(slots) // 2 :] = -1
    return [torch.cat([slots[:, :2], labels], 1)[slots[:, 0] >= 0]]
