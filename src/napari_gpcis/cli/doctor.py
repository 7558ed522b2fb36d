"""`napari-gpcis doctor`: installed versions, devices, and a self-test."""

from __future__ import annotations

import os
import platform
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from napari_gpcis import Session

__all__ = ["doctor"]

_PACKAGES = (
    "napari-gpcis",
    "torch",
    "timm",
    "numpy",
    "safetensors",
    "tifffile",
    "zarr",
    "distributed",
    "imageio",
    "scikit-image",
    "opencv-python-headless",
    "napari",
    "PyQt6",
    "PySide6",
)
_DIAMETER = 48
_CLICKS = ((53, 45), (62, 52), (44, 38))


def doctor(
    model: Annotated[
        str, typer.Option(metavar="NAME_OR_PATH", help="Model for the self-test.")
    ] = "default",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps …")] = "auto",
) -> None:
    """Show versions, devices and the cache, and time a few clicks on a sample image.

    The exit code is 1 when the self-test fails.
    """
    _show("versions", _versions())
    _show("devices", _devices())
    from napari_gpcis import Session, load_model

    session = Session(load_model(model), device=device, object_diameter=_DIAMETER)
    _show("cache", _cache(session))
    lines, passed = _self_test(session)
    _show(f"self-test: model {model} on {session.device}", lines)
    if not passed:
        typer.echo("napari-gpcis: a clicked pixel is not in its mask; report this page", err=True)
        raise typer.Exit(1)


def _show(title: str, lines: list[tuple[str, str]]) -> None:
    typer.echo(title)
    for name, value in lines:
        typer.echo(f"  {name:<26}{value}")


def _versions() -> list[tuple[str, str]]:
    lines = [("python", f"{platform.python_version()} ({sys.platform}, {platform.machine()})")]
    for package in _PACKAGES:
        try:
            lines.append((package, version(package)))
        except PackageNotFoundError:
            lines.append((package, "not installed"))
    return lines


def _devices() -> list[tuple[str, str]]:
    import torch

    lines = [("cpu", f"{os.cpu_count()} cores, torch uses {torch.get_num_threads()} threads")]
    for index in range(torch.cuda.device_count()):
        card = torch.cuda.get_device_properties(index)
        lines.append((f"cuda:{index}", f"{card.name}, {card.total_memory / 2**30:.0f} GiB"))
    if torch.backends.mps.is_available():
        lines.append(("mps", "available"))
    return lines


def _cache(session: Session) -> list[tuple[str, str]]:
    from napari_gpcis.engine.device import CPU_BYTES, GPU_BYTES, HOST_BYTES

    near = CPU_BYTES if session.device.type == "cpu" else GPU_BYTES
    return [
        (f"embeddings on {session.device}", f"up to {near / 2**20:.0f} MiB"),
        ("older ones, half size", f"up to {HOST_BYTES / 2**20:.0f} MiB of host memory"),
    ]


def _self_test(session: Session) -> tuple[list[tuple[str, str]], bool]:
    """Click on a coin; every click has to lie in its mask."""
    from skimage.data import coins

    session.set_image(coins())
    lines, passed = [], True
    for index, (row, col) in enumerate(_CLICKS):
        start = time.perf_counter()
        result = session.add_click(row, col)
        seconds = time.perf_counter() - start
        passed = passed and bool(result.mask[row, col])
        name = "first click, encoder too" if index == 0 else f"click {index + 1}"
        lines.append((name, f"{1000 * seconds:.0f} ms, mask of {int(result.mask.sum())} px"))
    return lines, passed
