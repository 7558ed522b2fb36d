from __future__ import annotations

import numpy as np
import pytest
from napari_gpcis_training.augment import OTHER, OUTSIDE, TARGET, View, centred_affine
from napari_gpcis_training.batches import StepDataset
from napari_gpcis_training.config import AugmentConfig, ClickConfig, DataSource, TrainConfig
from napari_gpcis_training.data.sets import LabelledSet, LabelledSlice, index_objects
from napari_gpcis_training.scenes import draw_scene

from tests.training.conftest import draw_cells

PLAIN = {"invert_probability": 0.0, "channel_probability": 0.0, "noise": 0.0}


def slice_of(seed: int, name: str = "cells") -> LabelledSlice:
    image, labels = draw_cells(seed)
    return index_objects(name, image, labels, False, 30)


@pytest.fixture
def cells() -> LabelledSlice:
    return slice_of(3)


def scene_config(**changes: object) -> AugmentConfig:
    return AugmentConfig.model_validate(
        {"size": 96, "diameter": (14.0, 40.0), "targets": 3, "wide_probability": 0.0, **changes}
    )


def test_a_scene_asks_for_different_objects_of_one_crop(cells: LabelledSlice) -> None:
    config = scene_config(**PLAIN)
    rng = np.random.default_rng(0)
    several = 0
    for _ in range(40):
        scene = draw_scene(cells, rng, config, config.size)
        assert 1 <= len(scene.targets) <= 3
        masks = [target.codes == TARGET for target in scene.targets]
        assert all(mask.any() for mask in masks)
        different = [mask for mask in masks[1:] if not np.array_equal(mask, masks[0])]
        several += bool(different)
        for mask in different:
            assert not (mask & masks[0]).any()
            # what is asked for in one is another object in the other
            assert (scene.targets[0].codes[mask] == OTHER).all()
    assert several > 10


def test_elastic_deformation_moves_image_and_codes_alike(cells: LabelledSlice) -> None:
    config = scene_config(elastic_probability=1.0, elastic=0.15, **PLAIN)
    rng = np.random.default_rng(1)
    for _ in range(20):
        scene = draw_scene(cells, rng, config, config.size)
        grey = scene.image.mean(0)
        codes = scene.targets[0].codes
        inside = grey[np.isin(codes, (TARGET, OTHER))].mean()
        assert inside > grey[codes == 0].mean() + 0.1


def test_no_bend_and_a_bend_of_zero_show_the_same(cells: LabelledSlice) -> None:
    matrix = centred_affine(cells.objects[0], 50, 64)
    number = (int(cells.objects[0][0]),)
    plain = View(cells, matrix, 64)
    bent = View(cells, matrix, 64, np.zeros((64, 64, 2), np.float32))
    np.testing.assert_allclose(plain.image(), bent.image(), atol=2.0)
    assert (plain.codes(number) == bent.codes(number)).mean() > 0.995


@pytest.mark.parametrize("kind", ["drawn_probability", "pasted_probability"])
def test_a_made_object_is_the_first_one_asked_for(cells: LabelledSlice, kind: str) -> None:
    config = scene_config(**{kind: 1.0})
    rng = np.random.default_rng(2)
    known = [slice_of(3), slice_of(4)]
    covered = 0
    for _ in range(20):
        scene = draw_scene(known[0], rng, config, config.size, donor=known[1])
        first, *rest = scene.targets
        mask = first.codes == TARGET
        assert mask.any()
        others = [item for item in rest if not np.array_equal(item.codes, first.codes)]
        covered += sum((item.codes[mask] == TARGET).any() for item in others)
    # what lies below it is hidden: no target of the slice reaches into it
    assert covered == 0


def test_the_image_suggests_further_targets(cells: LabelledSlice) -> None:
    config = scene_config(suggested_probability=1.0)
    rng = np.random.default_rng(3)
    labelled = cells.labels > 0
    assert labelled.any()
    found = 0
    for _ in range(20):
        scene = draw_scene(cells, rng, config, config.size)
        for target in scene.targets[1:]:
            # a suggestion knows of no other objects
            found += not (target.codes == OTHER).any()
            assert (target.codes == OUTSIDE).sum() == (scene.targets[0].codes == OUTSIDE).sum()
    assert found > 5


def volume() -> LabelledSet:
    source = DataSource(name="volume", weight=1.0)
    image, labels = draw_cells(5)
    planes = []
    for z in range(4):
        moved = [np.roll(plane, z, axis=1) for plane in (image, labels)]
        planes.append(index_objects(f"volume/stack[{z}]", moved[0], moved[1], False, 30))
    return LabelledSet(source, tuple(planes))


def test_a_neighbouring_slice_lends_its_mask() -> None:
    config = TrainConfig(
        data=(DataSource(name="volume", weight=1.0),),
        augment=scene_config(),
        clicks=ClickConfig(carried_probability=1.0, class_probability=0.0),
    )
    dataset = StepDataset([volume()], config)
    carried = total = 0
    for step in range(6):
        batch = dataset[step]
        assert batch.image_of is not None
        assert len(batch.image_of) == len(batch.codes) == len(batch.numbers)
        for place, mask in batch.carried.items():
            target = batch.codes[place].numpy() == TARGET
            both = (target & (mask > 0)).sum() / (target | (mask > 0)).sum()
            assert both > 0.3
            carried += 1
        total += len(batch.codes)
    assert carried > total / 3


def test_a_share_of_a_batch_keeps_whole_crops() -> None:
    from napari_gpcis_training.batches import Share

    config = TrainConfig(
        data=(DataSource(name="volume", weight=1.0),),
        augment=scene_config(),
        clicks=ClickConfig(carried_probability=1.0, class_probability=0.0),
    )
    whole = StepDataset([volume()], config)[0]
    assert whole.image_of is not None
    parts = [Share(rank, 2).of(whole) for rank in range(2)]
    assert sum(len(part.codes) for part in parts) == len(whole.codes)
    assert sum(part.weight for part in parts) == pytest.approx(1.0)
    assert sorted(number for part in parts for number in part.numbers) == list(whole.numbers)
    for rank, part in enumerate(parts):
        assert part.image_of is not None
        for place, number in enumerate(part.numbers):
            image = whole.image_of[number]
            assert image % 2 == rank
            assert (part.images[part.image_of[place]] == whole.images[image]).all()
            assert (part.codes[place] == whole.codes[number]).all()
            assert (number in whole.carried) == (place in part.carried)
