"""The kernel of GPCIS: a deep part with learned precisions and a colour part.

k(z, z') = exp(−½ Σ_j s_j (d_j − d'_j)²) + w · exp(−½ ‖c − c'‖²), z = (d, c).

References
----------
Zhou et al., "Interactive Segmentation as Gaussian Process Classification", CVPR 2023, eq. 8.
"""

from __future__ import annotations

import torch
from torch import Tensor

BLOCK_ENTRIES = {True: 1 << 19, False: 1 << 26}


def gaussian_kernel(left: Tensor, right: Tensor) -> Tensor:
    """Unit-length-scale Gaussian kernel, exp(−½ ‖x − x'‖²), by one matrix product.

    Parameters
    ----------
    left, right : Tensor, shapes (B, n, d) and (B, m, d)
        Points.

    Returns
    -------
    Tensor, shape (B, n, m)
        At most 1, but for rounding.
    """
    offset = -0.5 * right.square().sum(-1).unsqueeze(-2)
    exponent = torch.baddbmm(offset, left, right.transpose(-1, -2))
    # in place: these matrices are what the time goes into (autograd needs only the result of exp)
    return exponent.sub_(0.5 * left.square().sum(-1, keepdim=True)).exp_()


def gaussian_sum(points: Tensor, centres: Tensor, weights: Tensor) -> Tensor:
    """Σ_j exp(−½ ‖x − x_j‖²) weight_j at many points, in blocks that stay in the CPU's cache.

    Parameters
    ----------
    points : Tensor, shape (B, P, d)
        Where the sum is taken.
    centres : Tensor, shape (B, m, d)
        The x_j.
    weights : Tensor, shape (B, m, c)
        One column per sum.

    Returns
    -------
    Tensor, shape (B, P, c)
    """
    batch, count, _ = points.shape
    block = max(1, BLOCK_ENTRIES[points.device.type == "cpu"] // (batch * centres.shape[1]))
    if block >= count:
        return gaussian_kernel(points, centres) @ weights
    parts = [gaussian_kernel(part, centres) @ weights for part in points.split(block, dim=1)]
    return torch.cat(parts, 1)


def scale_features(features: Tensor, log_precision: Tensor) -> Tensor:
    """Multiply features by √s, so that the deep kernel is the Gaussian kernel of the result.

    Parameters
    ----------
    features : Tensor, shape (..., D)
        Deep features.
    log_precision : Tensor, shape (D,)
        log s_j.

    Returns
    -------
    Tensor, shape (..., D)
    """
    return features * (0.5 * log_precision).exp()
