"""The answer to a click: arrays of the window now, arrays of the slice when asked for."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from napari_gpcis.engine.geometry import Box
from napari_gpcis.engine.masks import keep_clicked_components
from napari_gpcis.engine.request import Latent, Request, class_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari_gpcis.engine.click import Click
    from napari_gpcis.engine.geometry import Scale
    from napari_gpcis.engine.types import Array
    from napari_gpcis.model.heads import Prediction

NUDGE = 0.1
OUTSIDE = 4.0
"""Minus the calibrated logit, at most, of a pixel that a box leaves out."""


class Result:
    """The answer to a click.

    Everything is in pixels of the image. `box_…` arrays cover `box` alone, and cost as much on a
    slice of any size; the others cover the slice, are made when first asked for, and are False
    or 0 outside the box. A clicked pixel is always in its own class.

    Parameters
    ----------
    request : Request
        The question.
    latent : Tensor, shape (1, K, H, W)
        Logits of `request.window` at network scale.
    parts : Prediction or None
        Prior, update and variance of `request.window` at network scale, (1, K, H, W). Made again
        by `again` when asked for and not there.
    again : callable
        Function from a request to its prediction.
    timings : mapping of str to float
        Seconds spent in each stage.
    temperature : float
        Temperature of the model: probability = sigmoid(latent / temperature).
    """

    def __init__(
        self,
        request: Request,
        latent: Tensor,
        parts: Prediction | None,
        again: Callable[[Request], Prediction],
        timings: Mapping[str, float],
        temperature: float = 1.0,
    ) -> None:
        self.request = request
        self.latent = latent
        self.temperature = temperature
        self.timings = dict(timings)
        self._parts = parts
        self._again = again
        self._packed_mask: Array | None = None

    def __repr__(self) -> str:
        """Name, place and number of clicks."""
        return f"Result(z={self.z}, box={tuple(self.box)}, clicks={len(self.clicks)})"

    @property
    def z(self) -> int:
        """Slice index."""
        return self.request.z

    @property
    def clicks(self) -> tuple[Click, ...]:
        """Clicks that were taken into account."""
        return self.request.clicks

    @property
    def scale(self) -> Scale:
        """Scale at which the network saw the window."""
        return self.request.scale

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the slice."""
        return self.request.source.shape[1:]

    @property
    def class_ids(self) -> tuple[int, ...]:
        """Class mode: the classes that were told apart; 0 is the background."""
        return self.request.class_ids

    @property
    def as_previous(self) -> Latent:
        """Latent from which the next round starts."""
        return Latent(self.latent, self.request.scale, self.request.window)

    @cached_property
    def box(self) -> Box:
        """Pixels that were answered: rows r0 … r1 − 1, columns c0 … c1 − 1."""
        return self.request.window.times(self.scale.pixels).clip(self.shape)

    @property
    def window(self) -> Box:
        """The same as `box`."""
        return self.box

    @cached_property
    def corrected_clicks(self) -> int:
        """Clicks that the model contradicted and that were put right by hand; 0 for a GP."""
        return self._logits[1]

    @cached_property
    def _logits(self) -> tuple[Array, int]:
        """Logits in the box, (K, rows, columns), and how many clicks had to be put right."""
        logits = to_pixels(self.latent, self.scale, self.request.window, self.box)
        if self.request.limits is not None:
            # interpolation reaches a pixel beyond those of the network
            inside = self.request.limits.within(self.box).clip(self.box.shape).slices
            limited = np.minimum(logits, -OUTSIDE * self.temperature)
            limited[(slice(None), *inside)] = logits[(slice(None), *inside)]
            logits = limited
        corrections = []
        for click in self.clicks:
            if click.z == self.z and self.box.holds(click.row, click.col):
                place = click.row - self.box.r0, click.col - self.box.c0
                corrected = self._corrected(logits[(slice(None), *place)], click)
                if corrected is not None:
                    corrections.append((place, corrected))
        if corrections:
            logits = logits.copy()  # the memory may be the latent's
            for place, corrected in corrections:
                logits[(slice(None), *place)] = corrected
        return logits, len(corrections)

    def _corrected(self, logits: Array, click: Click) -> Array | None:
        """Logits, (K,), that agree with a click, or None if they do so already."""
        if not self.request.class_mode:
            if click.positive == (logits[0] > self._cut):
                return None
            return np.array([self._cut + (NUDGE if click.positive else -NUDGE)], np.float32)
        wanted = self.class_ids.index(class_of(click))
        others = np.delete(logits, wanted)
        if others.size == 0 or logits[wanted] > others.max():
            return None
        corrected = logits.copy()
        corrected[wanted] = others.max() + NUDGE
        return corrected

    @property
    def _cut(self) -> float:
        """Latent at which the probability is the threshold."""
        return self.request.latent_cut(self.temperature)

    @property
    def _target(self) -> Array:
        """Logits of the object, or of the class that the mask shows; (rows, columns)."""
        ids = self.class_ids
        wanted = self.request.object_id
        if wanted not in ids:
            return np.full(self.box.shape, -np.inf, np.float32)
        target: Array = self._logits[0][ids.index(wanted)]
        return target

    @cached_property
    def box_mask(self) -> Array:
        """Mask of the object (class); bool.

        Components that none of an object's positive clicks lies on are left out: they are its
        look-alikes. `probability` shows them.
        """
        if self.request.class_mode:
            of_class: Array = self.box_classes == self.request.object_id
            return of_class
        if self._packed_mask is not None:
            size = self.box.shape[0] * self.box.shape[1]
            packed = np.unpackbits(self._packed_mask, count=size).astype(np.bool_)
            return packed.reshape(self.box.shape)
        places = [
            (click.row - self.box.r0, click.col - self.box.c0)
            for click in self.clicks
            if click.positive and click.z == self.z and self.box.holds(click.row, click.col)
        ]
        return keep_clicked_components(self._target > self._cut, places)

    @cached_property
    def box_classes(self) -> Array:
        """Class mode: the class of every pixel, 0 for background; object mode: 0 or 1. int32."""
        if not self.request.class_mode:
            return self.box_mask.astype(np.int32)
        if not self.class_ids:
            return np.zeros(self.box.shape, np.int32)
        classes: Array = np.array(self.class_ids, np.int32)[self._logits[0].argmax(0)]
        return classes

    @cached_property
    def box_probability(self) -> Array:
        """Probability of the object (of the class against the rest), calibrated; float32."""
        target = torch.from_numpy(self._target)
        probability: Array = target.div(self.temperature).sigmoid().numpy()
        return probability

    @cached_property
    def box_variance(self) -> Array:
        """Variance of the latent: large where the clicks say little; float32."""
        return self._part(lambda parts: parts.variance())

    @cached_property
    def box_prior(self) -> Array:
        """Prior path of the GP, from the image alone, in logits; float32."""
        return self._part(lambda parts: parts.prior)

    @cached_property
    def box_update(self) -> Array:
        """Function-space update of the GP by the clicks, in logits; float32."""
        return self._part(lambda parts: parts.update)

    @cached_property
    def mask(self) -> Array:
        """Mask of the slice, (Y, X) bool."""
        return self._on_slice(self.box_mask)

    @cached_property
    def classes(self) -> Array:
        """Classes of the slice, (Y, X) int32."""
        return self._on_slice(self.box_classes)

    @cached_property
    def probability(self) -> Array:
        """Probability in the slice, (Y, X) float32."""
        return self._on_slice(self.box_probability)

    @cached_property
    def variance(self) -> Array:
        """Variance of the latent in the slice, (Y, X) float32."""
        return self._on_slice(self.box_variance)

    @cached_property
    def prior(self) -> Array:
        """Prior path in the slice, (Y, X) float32."""
        return self._on_slice(self.box_prior)

    @cached_property
    def update(self) -> Array:
        """Function-space update in the slice, (Y, X) float32."""
        return self._on_slice(self.box_update)

    def fill(self) -> None:
        """Make the mask of the box now rather than on first access."""
        _ = self.box_mask

    def release(self) -> None:
        """Let go of everything that can be made again; the mask stays, packed."""
        self._parts = None
        if not self.request.class_mode and "box_mask" in self.__dict__:
            self._packed_mask = np.packbits(self.box_mask)
        for name, attribute in vars(type(self)).items():
            if isinstance(attribute, cached_property):
                self.__dict__.pop(name, None)

    @torch.inference_mode()
    def _part(self, choose: Callable[[Prediction], Tensor]) -> Array:
        if self.box.empty:
            return np.zeros(self.box.shape, np.float32)
        parts = self._parts
        if parts is None:
            parts = self._parts = self._again(self.request)
        maps = to_pixels(choose(parts).float(), self.scale, self.request.window, self.box)
        ids = self.class_ids
        wanted = self.request.object_id
        chosen: Array = maps[ids.index(wanted) if len(maps) > 1 and wanted in ids else 0]
        return chosen

    def _on_slice(self, values: Array) -> Array:
        whole = np.zeros(self.shape, values.dtype)
        whole[self.box.slices] = values
        return whole


def within_limits(latent: Tensor, request: Request, temperature: float) -> Tensor:
    """Latent of a request's window, (1, K, H, W), with nothing of the object outside its box."""
    if request.limits is None:
        return latent
    scale, corner = request.scale, request.window.times(request.scale.pixels)
    r0, c0, r1, c1 = (edge * scale.factor for edge in request.limits.within(corner))
    rows, cols = (
        torch.arange(count, device=latent.device) + 0.5 for count in (latent.shape[-2:])
    )
    inside = ((rows > r0) & (rows < r1))[:, None] & ((cols > c0) & (cols < c1))
    return torch.where(inside, latent, latent.clamp(max=-OUTSIDE * temperature))


@torch.inference_mode()
def to_pixels(raster: Tensor, scale: Scale, core: Box, box: Box) -> Array:
    """Network pixels → image pixels: (1, K, H, W) → (K, rows, columns) of `box`.

    An image pixel is read where `Scale.to_network` says, between network pixels bilinearly, and
    so does the GP read a click: its value there is that of the clicked image pixel.
    """
    if box.empty:
        return np.zeros((raster.shape[1], *box.shape), np.float32)
    whole = core.times(scale.pixels)
    inside = box.within(whole)
    if scale.pixels < scale.cell:
        down, across = (
            torch.tensor([scale.to_network(pixel) for pixel in range(*ends)], device=raster.device)
            for ends in ((inside.r0, inside.r1), (inside.c0, inside.c1))
        )
        raster = raster[..., down[:, None], across]
        inside = Box(0, 0, *box.shape)
    elif scale.pixels > scale.cell:
        raster = F.interpolate(raster, whole.shape, mode="bilinear", align_corners=False)
    pixels: Array = raster[(0, slice(None), *inside.slices)].float().contiguous().cpu().numpy()
    return pixels
