"""Clicks drawn as disks, the form in which a network sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence


def click_maps(
    clicks: Sequence[Tensor], size: tuple[int, int], radius: int, device: torch.device
) -> Tensor:
    """Binary disks around positive (channel 0) and negative (channel 1) clicks.

    Parameters
    ----------
    clicks : sequence of B Tensors, each of shape (n_i, 3)
        Row, column in pixels, label ±1.
    size : tuple of int
        Height and width in pixels.
    radius : int
        A pixel belongs to a disk if its squared distance to the click is at most radius².
    device : torch.device
        Device of the maps.

    Returns
    -------
    Tensor, shape (B, 2, height, width), float32
    """
    height, width = size
    maps = torch.zeros(len(clicks), 2, height * width, device=device)
    reach = torch.arange(-radius - 1, radius + 2, device=device)
    offsets = torch.cartesian_prod(reach, reach)
    for item, of_image in enumerate(clicks):
        if len(of_image) == 0:
            continue
        position = of_image[:, None, :2].to(device)
        pixels = position.round().long() + offsets
        distance = (pixels - position).square().sum(-1)
        row, column = pixels[..., 0], pixels[..., 1]
        drawn = (distance <= radius**2) & (row >= 0) & (column >= 0)
        drawn &= (row < height) & (column < width)
        channel = (of_image[:, 2:3].to(device) <= 0).long().expand_as(drawn)
        maps[item, channel[drawn], (row * width + column)[drawn]] = 1.0
    return maps.reshape(len(clicks), 2, height, width)
