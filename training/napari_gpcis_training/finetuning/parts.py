"""Labelled images in three parts: to train on, to choose a state by, and to report figures of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_gpcis_training.data.sets import LabelledSet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_gpcis_training.data.own import OwnData
    from napari_gpcis_training.data.sets import LabelledSlice

_SLICE = re.compile(r"\[(\d+)\]$")
_SELECTION = 0.2
_FEWEST_TO_DIVIDE = 5
_ENOUGH_FOR_GAPS = 10


@dataclass(frozen=True, slots=True)
class Parts:
    """Labelled slices by what they are for.

    Attributes
    ----------
    training : LabelledSet
    selection : LabelledSet
        The state that needs the fewest clicks on it is kept.
    test : LabelledSet
        Slices that the scores before and after refer to.
    independent : bool
        False where selection and test are the same, with five images or fewer.
    """

    training: LabelledSet
    selection: LabelledSet
    test: LabelledSet
    independent: bool

    def record(self, seed: int) -> dict[str, Any]:
        """Describe the split for the model's card: the seed, and the names in each part."""
        names = {
            name: [item.name for item in part.slices]
            for name, part in (
                ("training", self.training),
                ("selection", self.selection),
                ("test", self.test),
            )
        }
        return {"seed": seed, "independent_test": self.independent, **names}


def divide(data: OwnData, seed: int) -> Parts:
    """Take a part to choose by from what is held out, or else from what would be trained on.

    Parameters
    ----------
    data : OwnData
        Its held-out part is kept for the test, all or half of it: whole files, where several are
        held out. Otherwise a file of the training part, or a block at the end of its slices that
        is the farther from the test, becomes the selection part.
    seed : int
        Chooses among files.
    """
    training, held_out = data.training.slices, data.held_out.slices
    rng = np.random.default_rng(seed)
    own_files = {_file(item) for item in training}
    held_files = sorted({_file(item) for item in held_out} - own_files)
    if len(held_files) > 1:
        chosen = _some(held_files, len(held_files) // 2, rng)
        selection, test = _take(held_out, chosen)
        return _parts(data, training, selection, test)
    if held_files and len(own_files) >= _FEWEST_TO_DIVIDE:
        count = max(1, round(_SELECTION * len(own_files)))
        selection, rest = _take(training, _some(sorted(own_files), count, rng))
        return _parts(data, rest, selection, held_out)
    if len(training) >= _FEWEST_TO_DIVIDE:
        rest, selection = _cut_far_end(training, held_out)
        return _parts(data, rest, selection, held_out)
    return Parts(data.training, data.held_out, data.held_out, independent=False)


def _parts(
    data: OwnData,
    training: Sequence[LabelledSlice],
    selection: Sequence[LabelledSlice],
    test: Sequence[LabelledSlice],
) -> Parts:
    source = data.training.source
    train_on, choose_by, test_on = (
        LabelledSet(source, tuple(part)) for part in (training, selection, test)
    )
    return Parts(train_on, choose_by, test_on, independent=True)


def _file(item: LabelledSlice) -> str:
    return _SLICE.sub("", item.name)


def _place(item: LabelledSlice) -> tuple[str, int]:
    """File and slice index: the order in which slices neighbour each other."""
    match = _SLICE.search(item.name)
    return _file(item), int(match.group(1)) if match else 0


def _some(files: Sequence[str], count: int, rng: np.random.Generator) -> set[str]:
    return {files[index] for index in rng.permutation(len(files))[:count]}


def _take(
    slices: Sequence[LabelledSlice], files: set[str]
) -> tuple[list[LabelledSlice], list[LabelledSlice]]:
    """Slices of the files, and the others."""
    taken = [item for item in slices if _file(item) in files]
    return taken, [item for item in slices if _file(item) not in files]


def _cut_far_end(
    training: Sequence[LabelledSlice], test: Sequence[LabelledSlice]
) -> tuple[list[LabelledSlice], list[LabelledSlice]]:
    """Cut off the end that is the farther from the test, and drop the slice at the cut."""
    places = sorted({_place(item) for item in (*training, *test)})
    ordered = sorted(training, key=_place)
    tested = [places.index(_place(item)) for item in test]
    at_start = min(tested) >= len(places) - 1 - max(tested)
    count = max(1, round(_SELECTION * len(ordered)))
    gap = 1 if len(ordered) >= _ENOUGH_FOR_GAPS else 0
    if at_start:
        return ordered[count + gap :], ordered[:count]
    return ordered[: -count - gap], ordered[-count:]
