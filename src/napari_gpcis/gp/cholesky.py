"""Cholesky factors of kernel matrices that may be singular to rounding."""

from __future__ import annotations

import torch
from torch import Tensor

FIRST_JITTER = 1e-10
MAX_TRIES = 8


def stable_cholesky(matrices: Tensor) -> Tensor:
    """Factorise symmetric positive semi-definite matrices, adding jitter only where it must.

    Parameters
    ----------
    matrices : Tensor, shape (..., n, n)
        Kernel matrices, noise included. Use float64: in float32 a noise of 1e-7 on a diagonal
        of 2 vanishes.

    Returns
    -------
    Tensor, shape (..., n, n)
        Lower factors. Items that factorise as they are get no jitter; the others get
        1e-10, 1e-9, … of their mean diagonal until they do.

    Raises
    ------
    ValueError
        If a matrix holds NaN or infinity, or is indefinite beyond rounding.
    """
    factors: Tensor
    failed: Tensor
    factors, failed = torch.linalg.cholesky_ex(matrices)
    if not bool(failed.any()):
        return factors
    if not bool(torch.isfinite(matrices).all()):
        raise ValueError(
            "expected a finite kernel matrix, got NaN or infinity; "
            "check the features for NaN before conditioning"
        )
    scale = matrices.diagonal(dim1=-2, dim2=-1).mean(-1)
    jitter = torch.zeros_like(scale)
    for attempt in range(MAX_TRIES):
        jitter = torch.where(failed > 0, scale * FIRST_JITTER * 10.0**attempt, jitter)
        factors, failed = torch.linalg.cholesky_ex(
            matrices + torch.diag_embed(jitter.unsqueeze(-1).expand(matrices.shape[:-1]))
        )
        if not bool(failed.any()):
            return factors
    raise ValueError(
        "expected a positive semi-definite kernel matrix, got one that stays indefinite with "
        f"{FIRST_JITTER * 10.0 ** (MAX_TRIES - 1):g} of its diagonal added; remove clicks"
    )
