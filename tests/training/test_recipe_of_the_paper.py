from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from napari_gpcis_training.augment import OTHER, OUTSIDE, TARGET, image_crop, training_crop
from napari_gpcis_training.batches import StepDataset
from napari_gpcis_training.config import AugmentConfig, OptimiserConfig, load_config
from napari_gpcis_training.data.sets import LabelledSlice, index_objects, load_set
from napari_gpcis_training.state import Schedule, initial_state
from napari_gpcis_training.trainer import training_step

from tests.training.conftest import draw_cells


@pytest.fixture
def cells() -> LabelledSlice:
    image, labels = draw_cells(3)
    return index_objects("cells", image, labels, False, 30)


def test_an_epoch_of_sbd_has_265_steps_and_the_rate_falls_twice() -> None:
    settings = load_config("paper_sbd").optimiser
    assert settings.steps == 230 * 265
    schedule = Schedule(
        settings.warmup_steps, None, 1, settings.milestone_steps, settings.milestone_factor
    )
    steps = [0, 190 * 265 - 1, 190 * 265, 220 * 265 - 1, 220 * 265]
    assert [schedule.factor(step) for step in steps] == pytest.approx([1, 1, 0.1, 0.1, 0.01])


def test_given_steps_go_before_epochs_and_milestones_need_an_epoch() -> None:
    assert load_config("paper_sbd", optimiser__steps=7).optimiser.steps == 7
    with pytest.raises(ValueError, match="epoch_crops"):
        OptimiserConfig(milestones=(3,))


def test_crops_by_the_image_show_parts_of_it_with_a_target_and_their_own_brightness(
    cells: LabelledSlice,
) -> None:
    config = AugmentConfig(size=64, framing="image", intensity=False)
    rng = np.random.default_rng(0)
    stretches = []
    for _ in range(100):
        crop = image_crop(cells, rng, config, 64)
        assert np.count_nonzero(crop.codes == TARGET) >= config.least_target
        inside = crop.codes != OUTSIDE
        bright = crop.image[0][inside & np.isin(crop.codes, (TARGET, OTHER))].mean()
        assert bright == pytest.approx(160 / 255, abs=0.05)
        stretches.append(inside.mean())
    assert min(stretches) < 0.8
    assert max(stretches) == 1


def test_two_objects_of_a_crop_may_be_one_target(cells: LabelledSlice) -> None:
    def regions(probability: float) -> float:
        config = AugmentConfig(
            size=96, diameter=(18.0, 22.0), merge_probability=probability, centre_jitter=0
        )
        rng = np.random.default_rng(0)
        crops = [training_crop(cells, rng, config, 96) for _ in range(30)]
        from skimage.measure import label

        return float(np.mean([label(crop.codes == TARGET).max() for crop in crops]))

    assert regions(0.0) == 1
    assert regions(1.0) > 1.5


def test_encoder_and_slow_parts_learn_more_slowly_and_unknown_parts_are_refused() -> None:
    settings = {"network__encoder": "resnet18", "optimiser__batch_size": 1}
    state = initial_state(load_config("paper_sbd", **settings), None, torch.device("cpu"))
    rates = {
        name: group["peak"]
        for group in state.optimiser.param_groups
        for name, parameter in state.network.named_parameters()
        if any(parameter is own for own in group["params"])
    }
    assert rates["fusion.deeplab.aspp.project.0.weight"] == pytest.approx(5e-4)
    assert rates["fusion.deeplab.side.0.weight"] == pytest.approx(5e-3)
    assert isinstance(state.optimiser, torch.optim.Adam)
    with pytest.raises(ValueError, match="slow_parts"):
        wrong = load_config("paper_sbd", optimiser__slow_parts=["nowhere"], **settings)
        initial_state(wrong, None, torch.device("cpu"))


def test_the_paper_fusion_trains_by_its_recipe(data_root: Path) -> None:
    config = load_config(
        "paper_sbd",
        network__encoder="resnet18",
        data=[{"name": "cells"}],
        augment__size=64,
        optimiser__batch_size=2,
        optimiser__steps=2,
        workers=0,
    )
    sets = [load_set(data_root, source, "train", config.min_area) for source in config.data]
    state = initial_state(config, None, torch.device("cpu"))
    before = {name: value.clone() for name, value in state.network.named_parameters()}
    dataset = StepDataset(sets, config)
    reports = [training_step(state, dataset[step], config) for step in range(2)]
    assert all(math.isfinite(report.loss) for report in reports)
    still = [
        name for name, value in state.network.named_parameters() if torch.equal(value, before[name])
    ]
    assert still == []
    for name, value in state.network.named_parameters():
        assert torch.equal(state.average.get_parameter(name), value)
