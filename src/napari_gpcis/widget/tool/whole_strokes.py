"""A scribble, box or lasso is moved and removed as a whole, however few of its points are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_gpcis.engine.click import Click


def with_whole_strokes(before: Sequence[Click], after: Sequence[Click]) -> list[Click]:
    """Let a change of some pixels of strokes be one of all their pixels.

    Parameters
    ----------
    before : sequence of Click
        Clicks as they were shown.
    after : sequence of Click
        Clicks as the user has left them: in the same order where some were moved, fewer where
        some were removed, more where some were added.

    Returns
    -------
    list of Click
        Without strokes that have lost a pixel, and with strokes moved as far as the first of
        their pixels that was.
    """
    if not any(click.stroke for click in before):
        return list(after)
    if len(after) == len(before) and all(
        old.stroke == new.stroke for old, new in zip(before, after, strict=True)
    ):
        return _moved(before, after)
    left = {*after}
    torn = {_key(click) for click in before if click.stroke and click not in left}
    return [click for click in after if not click.stroke or _key(click) not in torn]


def _moved(before: Sequence[Click], after: Sequence[Click]) -> list[Click]:
    shifts: dict[object, tuple[int, int]] = {}
    for old, new in zip(before, after, strict=True):
        if old.stroke and (old.row, old.col) != (new.row, new.col):
            shifts.setdefault(_key(old), (new.row - old.row, new.col - old.col))
    return [
        new
        if (shift := shifts.get(_key(old))) is None or not old.stroke
        else replace(new, row=old.row + shift[0], col=old.col + shift[1])
        for old, new in zip(before, after, strict=True)
    ]


def _key(click: Click) -> tuple[int, int, int]:
    return click.stroke, click.z, click.object_id
