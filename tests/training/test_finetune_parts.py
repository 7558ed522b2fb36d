from __future__ import annotations

import numpy as np
import pytest
from napari_gpcis_training.config import DataSource
from napari_gpcis_training.data.own import OwnData
from napari_gpcis_training.data.sets import LabelledSet, LabelledSlice
from napari_gpcis_training.finetuning.parts import Parts, divide

SOURCE = DataSource(name="own")


def data(training: list[str], held_out: list[str]) -> OwnData:
    blank = np.zeros((4, 4), np.uint8)
    own, held = (
        LabelledSet(
            SOURCE,
            tuple(LabelledSlice(name, blank, blank, 0, 1, np.ones((1, 6), int)) for name in part),
        )
        for part in (training, held_out)
    )
    return OwnData("own", own, held, 20.0)


def names(parts: Parts) -> tuple[list[str], list[str], list[str]]:
    return tuple(  # type: ignore[return-value]
        [item.name for item in part.slices]
        for part in (parts.training, parts.selection, parts.test)
    )


def test_of_several_held_out_files_half_are_to_choose_by() -> None:
    parts = divide(data(list("abcdefghijkl"), list("xyz")), seed=0)
    training, selection, test = names(parts)
    assert training == list("abcdefghijkl")
    assert sorted(selection + test) == ["x", "y", "z"]
    assert (len(selection), len(test)) == (1, 2)
    assert parts.independent


def test_beside_a_single_held_out_file_another_one_is_to_choose_by() -> None:
    found = {tuple(names(divide(data(list("abcde"), ["x"]), seed))[1]) for seed in range(9)}
    training, selection, test = names(divide(data(list("abcde"), ["x"]), seed=1))
    assert len(selection) == 1
    assert sorted(training + selection) == list("abcde")
    assert test == ["x"]
    assert len(found) > 1


@pytest.mark.parametrize("count", [2, 3, 4])
def test_few_images_are_chosen_by_and_tested_on_together(count: int) -> None:
    parts = divide(data(list("abcd")[:count], ["x"]), seed=0)
    assert not parts.independent
    assert parts.selection is parts.test
    assert len(parts.training.slices) == count


@pytest.mark.parametrize(("first", "chosen"), [(0, [17, 18, 19]), (14, [0, 1, 2])])
def test_of_a_volume_the_end_far_from_the_test_is_to_choose_by(
    first: int, chosen: list[int]
) -> None:
    held_out = list(range(first, first + 4))
    rest = [z for z in range(20) if z < first - 1 or z > first + 4]
    training, selection, test = names(
        divide(data([f"v[{z}]" for z in rest], [f"v[{z}]" for z in held_out]), seed=0)
    )
    assert selection == [f"v[{z}]" for z in chosen]
    assert test == [f"v[{z}]" for z in held_out]
    gaps = [abs(int(a[2:-1]) - z) for a in training for z in chosen]
    assert min(gaps) == 2


def test_slices_of_one_file_stay_together() -> None:
    files = [f"{name}.tif[{z}]" for name in "abcdef" for z in range(3)]
    training, selection, _ = names(divide(data(files, ["x.tif[0]", "x.tif[1]"]), seed=0))
    assert {name[0] for name in training}.isdisjoint(name[0] for name in selection)
    assert len(selection) == 3


def test_the_record_names_every_slice() -> None:
    record = divide(data(list("abcde"), ["x"]), seed=4).record(4)
    assert record["seed"] == 4
    assert record["independent_test"]
    assert sorted(record["training"] + record["selection"] + record["test"]) == list("abcdex")
