from __future__ import annotations

import torch
from napari_gpcis_training.losses import (
    intersection_over_union,
    normalised_focal_loss,
    overlap_loss,
)
from torch.nn import functional as F


def example() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn((2, 1, 8, 8), generator=generator)
    target = (torch.rand((2, 1, 8, 8), generator=generator) > 0.6).float()
    return logits, target, torch.ones((2, 1, 8, 8), dtype=torch.bool)


def test_without_focus_the_loss_is_half_the_cross_entropy() -> None:
    logits, target, valid = example()
    loss = normalised_focal_loss(logits, target, valid, alpha=0.5, gamma=0.0)
    torch.testing.assert_close(loss, 0.5 * F.binary_cross_entropy_with_logits(logits, target))


def test_focal_weights_average_to_one_in_each_image() -> None:
    logits, target, valid = example()
    probability = torch.sigmoid(logits)
    error = torch.where(target > 0.5, 1 - probability, probability)
    weight = error**2 / (error**2).mean((1, 2, 3), keepdim=True)
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    expected = 0.5 * (weight * entropy).mean()
    torch.testing.assert_close(
        normalised_focal_loss(logits, target, valid), expected, atol=1e-5, rtol=1e-5
    )


def test_pixels_that_do_not_count_change_nothing() -> None:
    logits, target, valid = example()
    valid[..., 4:] = False
    changed = torch.where(valid, logits, -logits)
    for loss in (normalised_focal_loss, overlap_loss):
        torch.testing.assert_close(loss(changed, target, valid), loss(logits, target, valid))
        cropped = [item[..., :4] for item in (logits, target, valid)]
        torch.testing.assert_close(loss(*cropped), loss(logits, target, valid))


def test_intersection_over_union_counts_valid_pixels() -> None:
    mask = torch.tensor([[[[1, 1, 0, 0]]]], dtype=torch.bool)
    target = torch.tensor([[[[1, 0, 1, 1]]]], dtype=torch.bool)
    valid = torch.tensor([[[[1, 1, 1, 0]]]], dtype=torch.bool)
    assert intersection_over_union(mask, target, valid).item() == torch.tensor(1 / 3)
