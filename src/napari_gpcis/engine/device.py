"""The device that the network runs on, and its memory."""

from __future__ import annotations

import torch

HOST_BYTES = 1 << 28
CPU_BYTES = 1 << 28
GPU_BYTES = 1 << 30


def find_device(name: str) -> torch.device:
    """Device by name; "auto" is the fastest that is there.

    Raises
    ------
    ValueError
        If torch does not know the name, or the device is not there.
    """
    has_cuda, has_mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if has_cuda else "mps" if has_mps else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(
            f"expected a device such as 'auto', 'cpu', 'cuda' or 'mps', got {name!r}; use 'auto'"
        ) from error
    if (device.type == "cuda" and not has_cuda) or (device.type == "mps" and not has_mps):
        raise ValueError(
            f"expected a device that this machine has, got {name!r}; use 'auto' or 'cpu'"
        )
    return device


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that a device or the host has run out of memory."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    text = str(error).lower()
    return "out of memory" in text or "can't allocate memory" in text


def empty_device_cache(device: torch.device) -> None:
    """Give memory that torch keeps for later back to the device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
