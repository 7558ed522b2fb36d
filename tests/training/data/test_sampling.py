from __future__ import annotations

import numpy as np
from napari_gpcis_training.data.sampling import sample_objects


def index_of(areas: list[int]) -> np.ndarray:
    return np.array([[number, 0, 0, 1, 1, area] for number, area in enumerate(areas, 1)])


def chosen_labels(*arguments, **options) -> list[tuple[int, int]]:
    return [(number, int(row[0])) for number, row in sample_objects(*arguments, **options)]


SLICES = [index_of([900] * 9), index_of([]).reshape(-1, 6), index_of([900, 10, 900])]


def test_small_objects_are_left_out() -> None:
    everything = chosen_labels(SLICES, None, None)
    assert (2, 2) not in everything
    assert (2, 2) in chosen_labels(SLICES, None, None, min_diameter=0.0)
    assert everything == [(0, number) for number in range(1, 10)] + [(2, 1), (2, 3)]


def test_a_slice_gives_so_many_at_most() -> None:
    chosen = chosen_labels(SLICES, None, 4)
    assert [number for number, _ in chosen] == [0, 0, 0, 0, 2, 2]


def test_the_sample_depends_on_the_seed_alone() -> None:
    assert chosen_labels(SLICES, 3, 4, seed=1) == chosen_labels(SLICES, 3, 4, seed=1)
    samples = {tuple(chosen_labels(SLICES, 3, 4, seed=seed)) for seed in range(10)}
    assert len(samples) > 1
    assert all(len(sample) == 3 and list(sample) == sorted(sample) for sample in samples)
