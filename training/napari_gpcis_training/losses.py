"""Loss terms on logits."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def normalised_focal_loss(
    logits: Tensor, target: Tensor, valid: Tensor, alpha: float = 0.5, gamma: float = 2.0
) -> Tensor:
    """Focal loss whose modulating factors are rescaled, in each image, to a mean of one.

    Parameters
    ----------
    logits : Tensor, shape (B, 1, H, W)
        Of the object's probability.
    target : Tensor, shape (B, 1, H, W)
        1 on the object, 0 elsewhere.
    valid : bool Tensor, shape (B, 1, H, W)
        Pixels that count.
    alpha
        Weight of object pixels; background has 1 − alpha.
    gamma
        Exponent of the modulating factor.

    Returns
    -------
    Tensor, scalar
        Mean over valid pixels, then over images. The rescaling is detached.

    References
    ----------
    Sofiiuk et al., AdaptIS, ICCV 2019.
    """
    logits = logits.float()
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    probability = torch.sigmoid(logits)
    # the probability of the wrong class; ignored pixels count as right
    error = torch.where(target > 0.5, 1 - probability, probability) * valid
    factor = error**gamma
    count = valid.sum((1, 2, 3), keepdim=True).clamp(min=1)
    rescaling = count / (factor.detach().sum((1, 2, 3), keepdim=True) + 1e-6)
    weight = torch.where(target > 0.5, alpha, 1 - alpha) * valid
    per_image = (weight * factor * rescaling * entropy).sum((1, 2, 3), keepdim=True) / count
    return per_image.mean()


def overlap_loss(logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """One minus the soft intersection over union, mean over images; shapes as above."""
    probability = torch.sigmoid(logits.float()) * valid
    target = target * valid
    intersection = (probability * target).sum((1, 2, 3))
    union = (probability + target - probability * target).sum((1, 2, 3))
    return (1 - (intersection + 1) / (union + 1)).mean()


def intersection_over_union(mask: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Intersection over union of boolean masks (B, 1, H, W) on valid pixels; shape (B,)."""
    intersection = (mask & target & valid).sum((1, 2, 3)).float()
    union = ((mask | target) & valid).sum((1, 2, 3)).float()
    return intersection / union.clamp(min=1)
