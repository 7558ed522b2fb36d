"""Importing torch and timm into a process that draws with OpenGL."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def import_torch() -> None:
    """Import torch, torchvision and timm; what imports them later finds them there.

    torchvision imports triton, a compiler of GPU code that nothing here uses. Both it and Mesa's
    software OpenGL bring an LLVM of their own; where the second comes into a process that has the
    first, it crashes (seen with triton 3.x and Mesa's llvmpipe). So triton stays outside while
    they are imported, unless it is inside already.
    """
    # How often an idle thread of GNU's OpenMP looks for work before it sleeps. Measured on two
    # cores, a click: 31 ms at 1,000, 20 ms at 30,000; far more takes time from the window.
    os.environ.setdefault("GOMP_SPINCOUNT", "30000")
    with _without("triton"):
        import timm  # noqa: F401
        import torchvision  # noqa: F401


@contextmanager
def _without(module: str) -> Iterator[None]:
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]  # what import takes for "there is none"
    try:
        yield
    finally:
        del sys.modules[module]
