from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from napari_gpcis_training.augment import TARGET, Crop
from napari_gpcis_training.config import TrainConfig, load_config
from napari_gpcis_training.data.sets import load_set
from napari_gpcis_training.evaluate import evaluate, evaluation_crops
from napari_gpcis_training.state import initial_state


@pytest.fixture
def config(config_path: Path) -> TrainConfig:
    return load_config(config_path)


@pytest.fixture
def crops(data_root: Path, config: TrainConfig) -> list[Crop]:
    held_out = load_set(data_root, config.data[0], "validation", 30)
    return evaluation_crops(held_out, count=4)


def test_crops_are_a_seeded_sample_of_held_out_objects(
    data_root: Path, config: TrainConfig
) -> None:
    held_out = load_set(data_root, config.data[0], "validation", 30)
    assert len(evaluation_crops(held_out, None)) == 6
    first, second = evaluation_crops(held_out, 4), evaluation_crops(held_out, 4)
    assert [crop.codes.tobytes() for crop in first] == [crop.codes.tobytes() for crop in second]
    assert len(evaluation_crops(held_out, None, per_slice=1)) == 2


class _Oracle(torch.nn.Module):
    """Answers with the target after `late` clicks, before that with nothing but the clicks."""

    def __init__(self, crops: list[Crop], late: int) -> None:
        super().__init__()
        self.mean = torch.zeros(3, 1, 1)
        self._targets = torch.stack([torch.from_numpy(crop.codes == TARGET) for crop in crops])
        self._late = late

    def encode(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (self._targets[:, None].float(),)

    def colour(self, image: torch.Tensor) -> torch.Tensor:
        return image

    def decode(self, pyramid, clicks, previous):
        return pyramid[0]

    def classify(self, deep, colour, clicks):
        if len(clicks[0]) < self._late:
            deep = torch.zeros_like(deep)
        return type("Prediction", (), {"logits": 10 * deep - 5})()


def test_a_perfect_answer_scores_perfectly(crops: list[Crop]) -> None:
    scores = evaluate(_Oracle(crops, late=1), crops)
    assert (scores.noc85, scores.noc90, scores.failures90) == (1, 1, 0)
    assert scores.iou1 == scores.iou5 == 100
    assert scores.contradicted_rounds == 0


def test_clicks_are_counted_until_the_answer_is_right(crops: list[Crop]) -> None:
    scores = evaluate(_Oracle(crops, late=3), crops)
    assert scores.noc90 == 3
    assert scores.iou1 == 0
    # one click contradicted after the first round, two after the second, none from then on
    assert scores.contradicted_rounds == 3 * len(crops)
    assert scores.contradicted_final == 0
    assert scores.clicks_rounds == (1 + 2 + 3) * len(crops)


def test_an_answer_that_never_comes_fails(crops: list[Crop]) -> None:
    scores = evaluate(_Oracle(crops, late=99), crops, max_clicks=6)
    assert scores.noc85 == 6
    assert scores.failures90 == len(crops)
    assert scores.contradicted_final == 6 * len(crops)


def test_the_gp_head_contradicts_no_click_even_untrained(
    crops: list[Crop], config: TrainConfig
) -> None:
    scores = evaluate(initial_state(config, None, torch.device("cpu")).network, crops, 8)
    assert scores.contradicted_rounds == 0
    assert np.isfinite(scores.iou5)
