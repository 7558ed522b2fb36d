"""Copying tensors from a file into a network, or saying in one line why they do not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import Tensor

_NAMED = 3


class ModelFileError(ValueError):
    """A model file that is missing, damaged or foreign; the message names the remedy."""


def copy_state(own: Mapping[str, Tensor], given: Mapping[str, Tensor], remedy: str) -> None:
    """Overwrite a network's tensors with those of a file, which must be exactly the same set.

    Parameters
    ----------
    own : mapping of str to Tensor
        The network's tensors by the names that the file uses.
    given : mapping of str to Tensor
        In any floating precision; takes the network's own.
    remedy : str
        End of the error message, which names the remedy.

    Raises
    ------
    ModelFileError
        If a name is missing or left over, or if a shape or the kind of numbers differs.
    """
    problems = {
        "without": own.keys() - given.keys(),
        "with the unknown": given.keys() - own.keys(),
        "with another shape or type of": {
            name for name in own.keys() & given.keys() if _differs(own[name], given[name])
        },
    }
    for problem, names in problems.items():
        if names:
            raise ModelFileError(
                f"expected the {len(own)} tensors of the network, got a file {problem} "
                f"{_first_few(names)}; {remedy}"
            )
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(given[name])


def _differs(own: Tensor, given: Tensor) -> bool:
    return own.shape != given.shape or own.is_floating_point() != given.is_floating_point()


def _first_few(names: Iterable[str]) -> str:
    ordered = sorted(names)
    others = len(ordered) - _NAMED
    return ", ".join(ordered[:_NAMED]) + (f" and {others} more" if others > 0 else "")
