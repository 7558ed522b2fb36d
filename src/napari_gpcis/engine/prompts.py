"""Scribbles, boxes and lassos as labelled pixels, which is all that a GP classifier learns from.

A stroke's pixels are clicks that share a number (`Click.stroke`), so that files, history and
network need to know nothing else. Only some of them, spread along the stroke, become *inducing*
pixels, where the GP is exact; the others are nearly always right by then, as neighbours look alike
(`thinned`). The predictor looks whether they are, and adds those that are not.

A box holds its object, so it is a frame of negative pixels around it; the frame says where nothing
belongs (`box_limits`). A lasso is the inside of its outline.

References
----------
Wong et al., "ScribblePrompt: Fast and Flexible Interactive Segmentation for Any Biomedical Image",
ECCV 2024: scribbles and boxes as prompts, and how to simulate them.
Quiñonero-Candela and Rasmussen, "A Unifying View of Sparse Approximate Gaussian Process
Regression", JMLR 2005: inducing pixels.
"""

from __future__ import annotations

import math
from itertools import groupby
from typing import TYPE_CHECKING

import cv2
import numpy as np

from napari_gpcis.engine.click import Click
from napari_gpcis.engine.geometry import Box
from napari_gpcis.engine.masks import depth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_gpcis.engine.click import Prompt
    from napari_gpcis.engine.types import Array

    Places = Sequence[tuple[float, float]]

STROKE_INDUCING = 64
"""Most inducing pixels of a stroke, at first."""
ALL_INDUCING = 256
"""Most inducing pixels of all strokes of an object, at first."""
LEAST_INDUCING = 8
FRAME_SIDE = 5
"""Pixels along each side of a box's frame, the corners included: 16 in all."""
SLACK = 0.02
"""Distance of the frame from the box, by the box's longer side, as boxes are drawn by hand."""
LASSO_PIXELS = 64
RIM = 0.25
"""Depth in a lasso, by that of its deepest pixel, of the pixels that are sure to be meant."""


def scribble_clicks(
    path: Places,
    shape: tuple[int, int, int],
    *,
    stroke: int,
    positive: bool = True,
    z: int = 0,
    object_id: int = 1,
) -> tuple[Click, ...]:
    """Label every pixel that a brush stroke, one pixel wide, runs over.

    Parameters
    ----------
    path : sequence of (row, column)
        Corners of the stroke in pixels, in the order in which they were drawn. What lies outside
        the image is left out.
    shape : tuple of int
        Slices, rows and columns of the image.
    stroke : int
        Number of the stroke, from `Annotation.next_stroke`.
    positive : bool
        Whether the pixels belong to the object.
    z, object_id : int
        Slice, and object or class.

    Returns
    -------
    tuple of Click
        In the stroke's order.

    Raises
    ------
    ValueError
        If no pixel lies in the image, or there is no such slice or object.
    """
    pixels = [place for place in line_pixels(path) if _is_inside(place, shape)]
    return _labelled(pixels, shape, "scribble", stroke, positive, z, object_id)


def box_clicks(
    r0: float,
    c0: float,
    r1: float,
    c1: float,
    shape: tuple[int, int, int],
    *,
    stroke: int,
    z: int = 0,
    object_id: int = 1,
) -> tuple[Click, ...]:
    """Label a frame just outside a box as not the object: up to 16 negative pixels.

    Parameters
    ----------
    r0, c0, r1, c1 : float
        Two opposite corners in pixels, in any order; the box holds both corners' pixels.
    shape, stroke, z, object_id
        As for `scribble_clicks`.

    Raises
    ------
    ValueError
        If the box lies outside the image or covers all of it, or there is no such slice or object.
    """
    (top, bottom), (left, right) = (
        sorted(math.floor(edge + 0.5) if math.isfinite(edge) else -1 for edge in pair)
        for pair in ((r0, r1), (c0, c1))
    )
    box = Box(top, left, bottom + 1, right + 1)
    if box.clip(shape[1:]).empty:
        raise ValueError(
            f"expected a box inside {shape[1]} rows and {shape[2]} columns, got rows {r0:g} to "
            f"{r1:g} and columns {c0:g} to {c1:g}; give pixel coordinates, rows before columns"
        )
    pixels = _frame(box.grow(1 + round(SLACK * max(box.shape))), shape[1:])
    if not pixels:
        raise ValueError(
            "expected a box smaller than the image, got one around all of it; click on the object"
        )
    return _labelled(pixels, shape, "box", stroke, False, z, object_id)


def lasso_clicks(
    polygon: Places,
    shape: tuple[int, int, int],
    *,
    stroke: int,
    positive: bool = True,
    z: int = 0,
    object_id: int = 1,
) -> tuple[Click, ...]:
    """Label pixels inside an outline, spread as far from each other as they can be.

    Parameters
    ----------
    polygon : sequence of (row, column)
        Corners of the outline in pixels; it is closed from the last to the first.
    shape, stroke, positive, z, object_id
        As for `scribble_clicks`.

    Returns
    -------
    tuple of Click
        At most 64, the deepest first.

    Raises
    ------
    ValueError
        If nothing of the image lies inside, or there is no such slice or object.
    """
    inside, corner = _filled(polygon, shape[1:])
    pixels: list[tuple[int, int]] = []
    if inside.any():
        depths = depth(inside)
        sure = np.argwhere(depths >= max(1.0, RIM * float(depths.max())))
        first = int(depths[tuple(sure.T)].argmax())
        chosen = sure[_spread(sure, first, LASSO_PIXELS)] + corner
        pixels = [(int(row), int(col)) for row, col in chosen]
    return _labelled(pixels, shape, "lasso", stroke, positive, z, object_id)


def line_pixels(path: Places) -> list[tuple[int, int]]:
    """Pixels that a line from corner to corner runs over, 8-connected, each once, in order."""
    corners = np.floor(np.asarray(path, np.float64).reshape(-1, 2) + 0.5)
    if not np.isfinite(corners).all():
        raise ValueError("expected numbers as corners of a stroke, got NaN or infinity; leave out")
    parts = [corners[:1]]
    for start, stop in zip(corners[:-1], corners[1:], strict=True):
        count = int(np.abs(stop - start).max())
        along = np.arange(1, count + 1)[:, None] / max(count, 1)
        parts.append(np.floor(start + along * (stop - start) + 0.5))
    found = np.concatenate(parts).astype(np.int64).tolist()
    return list(dict.fromkeys((row, col) for row, col in found))


def thinned(clicks: Sequence[Click]) -> tuple[Click, ...]:
    """Clicks that the GP is conditioned on: single ones, and pixels spread along each stroke.

    Parameters
    ----------
    clicks : sequence of Click
        Clicks of the user, oldest first.

    Returns
    -------
    tuple of Click
        In their order: all single clicks and frames of boxes, of scribbles and lassos at most 64
        each, evenly by arc length, and less where there are many strokes.
    """
    strokes = [list(own) for _, own in groupby(clicks, _stroke_of)]
    drawn = sum(own[0].prompt == "scribble" for own in strokes)
    if not drawn:
        return tuple(clicks)
    most = min(STROKE_INDUCING, max(LEAST_INDUCING, ALL_INDUCING // drawn))
    return tuple(
        click
        for own in strokes
        for click in (_evenly(own, most) if own[0].prompt == "scribble" else own)
    )


def worst_of_each_run(
    clicks: Sequence[Click], wrong: Sequence[bool], by: Sequence[float]
) -> list[int]:
    """Of every run of wrong pixels along a stroke, the index of the one that is wrong most.

    Parameters
    ----------
    clicks : sequence of Click
        Clicks of the user, oldest first.
    wrong : sequence of bool
        Whether the answer contradicts each.
    by : sequence of float
        By how much.
    """
    runs = groupby(range(len(clicks)), lambda index: (_stroke_of(clicks[index]), wrong[index]))
    return [max(run, key=by.__getitem__) for (_, is_wrong), run in runs if is_wrong]


def rounds(clicks: Sequence[Click]) -> list[tuple[Click, ...]]:
    """Clicks as they were made: one click, or one stroke, a round."""
    made: list[tuple[Click, ...]] = []
    for (_, stroke), own in groupby(clicks, lambda click: (_stroke_of(click), click.stroke)):
        made += [tuple(own)] if stroke else [(click,) for click in own]
    return made


def box_limits(clicks: Sequence[Click], shape: tuple[int, int]) -> Box | None:
    """Pixels that the newest box leaves to its object; None without a box.

    A positive pixel outside takes the box's word back.

    Parameters
    ----------
    clicks : sequence of Click
        Clicks of one object in one slice, oldest first.
    shape : tuple of int
        Rows and columns of the slice.
    """
    newest = next((click for click in reversed(clicks) if click.prompt == "box"), None)
    if newest is None:
        return None
    frame = np.array(
        [(click.row, click.col) for click in clicks if click.in_one_stroke(newest)]
    ).reshape(-1, 2)
    if not len(frame):
        return None
    limits = _inside_of(frame, shape)
    held = all(limits.holds(click.row, click.col) for click in clicks if click.positive)
    return limits if held and not limits.empty else None


def says_where(click: Click) -> bool:
    """Tell whether a pixel says where its object is: a positive one, or one of a box's frame."""
    return click.positive or click.prompt == "box"


def extent(clicks: Sequence[Click]) -> Box:
    """Smallest box of pixels around clicks."""
    places = np.array([(click.row, click.col) for click in clicks])
    (r0, c0), (r1, c1) = places.min(0).tolist(), places.max(0).tolist()
    return Box(r0, c0, r1 + 1, c1 + 1)


def _labelled(
    pixels: Sequence[tuple[int, int]],
    shape: tuple[int, int, int],
    prompt: Prompt,
    stroke: int,
    positive: bool,
    z: int,
    object_id: int,
) -> tuple[Click, ...]:
    if not pixels:
        raise ValueError(
            f"expected a {prompt} inside {shape[1]} rows and {shape[2]} columns, got no pixel "
            "there; give pixel coordinates, row before column"
        )
    first = Click.at(*pixels[0], z=z, positive=positive, object_id=object_id, shape=shape)
    return tuple(
        Click(first.z, row, col, first.positive, first.object_id, prompt, stroke)
        for row, col in pixels
    )


def _is_inside(place: tuple[int, int], shape: tuple[int, ...]) -> bool:
    return 0 <= place[0] < shape[-2] and 0 <= place[1] < shape[-1]


def _frame(outer: Box, shape: tuple[int, int]) -> list[tuple[int, int]]:
    """Pixels along those sides of a frame that are in the image, from end to end of each side."""
    seen = outer.clip(shape)
    rows, cols = (
        np.linspace(low, high - 1, FRAME_SIDE).round().astype(int).tolist()
        for low, high in ((seen.r0, seen.r1), (seen.c0, seen.c1))
    )
    places = [
        *((outer.r0, col) for col in cols),
        *((row, outer.c1 - 1) for row in rows),
        *((outer.r1 - 1, col) for col in reversed(cols)),
        *((row, outer.c0) for row in reversed(rows)),
    ]
    return list(dict.fromkeys(place for place in places if _is_inside(place, shape)))


def _inside_of(frame: Array, shape: tuple[int, int]) -> Box:
    """Box inside a frame; a side without pixels between its corners is the image's border."""
    edges = []
    for axis, size in enumerate(shape):
        along, across = frame[:, axis], frame[:, 1 - axis]
        between = (across > across.min()) & (across < across.max())
        low, high = int(along.min()), int(along.max())
        if low == high and low < size / 2:  # the frame has this one side
            edges.append((low + 1, size))
        else:
            has_low = low < high and bool((between & (along == low)).any())
            has_high = bool((between & (along == high)).any())
            edges.append((low + 1 if has_low else 0, high if has_high else size))
    (r0, r1), (c0, c1) = edges
    return Box(r0, c0, r1, c1)


def _filled(polygon: Places, shape: tuple[int, int]) -> tuple[Array, Array]:
    """Inside of an outline, bool, cut to the image, and the corner (row, column) of that cut."""
    corners = np.asarray(polygon, np.float64).reshape(-1, 2)
    if len(corners) < 3 or not np.isfinite(corners).all():
        raise ValueError(
            f"expected an outline of three corners or more, got {len(corners)} or no numbers; "
            "draw around the object"
        )
    pixels = np.floor(corners + 0.5).astype(np.int64)
    low = pixels.min(0).clip(0)
    high = np.minimum(pixels.max(0) + 1, shape)
    canvas = np.zeros(np.maximum(high - low, 0), np.uint8)
    if canvas.size:
        cv2.fillPoly(canvas, [np.ascontiguousarray((pixels - low)[:, ::-1], np.int32)], 1)
    return canvas.astype(np.bool_), low


def _spread(places: Array, first: int, most: int) -> list[int]:
    """Farthest-point sampling: each next place is the one that is farthest from those chosen."""
    chosen = [first]
    distance = np.square(places - places[first]).sum(1)
    while len(chosen) < most and distance.max() > 1:
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.square(places - places[chosen[-1]]).sum(1))
    return chosen


def _evenly(clicks: Sequence[Click], most: int) -> list[Click]:
    """Pixels spread along a stroke by arc length, its ends among them."""
    if len(clicks) <= most:
        return list(clicks)
    places = np.array([(click.row, click.col) for click in clicks], np.float64)
    steps = np.hypot(*np.diff(places, axis=0).T)
    length = np.append(0.0, steps.cumsum())
    wanted = np.linspace(0, length[-1], most)
    chosen = np.searchsorted(length, wanted - 0.5).clip(0, len(clicks) - 1)
    return [clicks[index] for index in dict.fromkeys(chosen.tolist())]


def _stroke_of(click: Click) -> tuple[object, ...]:
    """Equal for the pixels of one stroke, and for single clicks."""
    return (click.stroke, click.z, click.object_id, click.prompt) if click.stroke else ()
