"""Batch norm over all processes where torch has none: on the CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, distributed, nn

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch norm whose mean and variance are those of all processes' items.

    Its backward pass is that of the one large batch, too. `counted` says whether this process's
    items are part of it.

    Parameters
    ----------
    norm : nn.BatchNorm2d
        Gives its parameters, its statistics and what timm lets follow a norm.
    group : ProcessGroup
    """

    def __init__(self, norm: nn.BatchNorm2d, group: ProcessGroup) -> None:
        super().__init__(norm.num_features, norm.eps, norm.momentum)
        self.weight, self.bias = norm.weight, norm.bias
        self.running_mean, self.running_var = norm.running_mean, norm.running_var
        self.num_batches_tracked = norm.num_batches_tracked
        self.drop = getattr(norm, "drop", nn.Identity())
        self.act = getattr(norm, "act", nn.Identity())
        self.counted = True
        self._group = group
        self.train(norm.training)

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, H, W) → the same shape."""
        normal = self._over_all(input) if self.training else super().forward(input)
        result: Tensor = self.act(self.drop(normal))
        return result

    def _over_all(self, items: Tensor) -> Tensor:
        wide = items.double() * float(self.counted)
        count = wide.new_full((1,), float(self.counted) * wide.numel() / wide.shape[1])
        sums = torch.cat([wide.sum((0, 2, 3)), wide.square().sum((0, 2, 3)), count])
        total: Tensor = _SumOverProcesses.apply(sums, self._group)
        mean, square = (total[:-1] / total[-1]).chunk(2)
        variance = (square - mean.square()).clamp(min=0)
        self._remember(mean.detach(), variance.detach(), float(total[-1].detach()))
        scale = self.weight * (variance + self.eps).rsqrt()
        offset = self.bias - mean * scale
        normal: Tensor = items * scale.to(items)[:, None, None] + offset.to(items)[:, None, None]
        return normal

    def _remember(self, mean: Tensor, variance: Tensor, count: float) -> None:
        if self.running_mean is None or self.running_var is None:
            return
        momentum = 0.1 if self.momentum is None else self.momentum
        unbiased = variance * count / max(1.0, count - 1)
        self.running_mean.lerp_(mean.to(self.running_mean), momentum)
        self.running_var.lerp_(unbiased.to(self.running_var), momentum)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked += 1


class _SumOverProcesses(torch.autograd.Function):
    """The sum of all processes' values; what a gradient of it is, is summed alike."""

    @staticmethod
    def forward(context: Any, values: Tensor, group: ProcessGroup) -> Tensor:
        context.group = group
        total = values.clone()
        distributed.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        total = gradient.clone()
        distributed.all_reduce(total, group=context.group)
        return total, None


def share_norms(module: nn.Module, group: ProcessGroup) -> None:
    """Let every batch norm in a module be over all processes of a group."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, SharedBatchNorm(child, group))
        else:
            share_norms(child, group)
