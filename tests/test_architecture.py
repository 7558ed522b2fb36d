"""Imports run one way: gp ← model ← engine ← io ← batch ← cli, io ← widget; training on top."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import napari_gpcis

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "napari_gpcis": ROOT / "src" / "napari_gpcis",
    "napari_gpcis_training": ROOT / "training" / "napari_gpcis_training",
}

# Room: the rooms that it may import, besides itself. The package root (lazy exports) is not a room.
ARROWS = {
    "gp": set(),
    "model": {"gp"},
    "engine": {"gp", "model"},
    "io": {"gp", "model", "engine"},
    "batch": {"gp", "model", "engine", "io"},
    "cli": {"gp", "model", "engine", "io", "batch"},
    "widget": {"gp", "model", "engine", "io"},
    "training": {"gp", "model", "engine", "io"},
}


def room_of(module: str) -> str | None:
    """The room that a dotted name belongs to; None for other people's modules and the root."""
    parts = module.split(".")
    if parts[0] == "napari_gpcis_training":
        return "training"
    if parts[0] != "napari_gpcis" or len(parts) == 1:
        return None
    # What the root exports lives in a room all the same.
    return napari_gpcis._HOMES.get(parts[1], module).split(".")[1]


def dotted_name(path: Path, package: str) -> str:
    """The dotted name of a file of a package, `__init__` included."""
    return ".".join([package, *path.relative_to(PACKAGES[package]).with_suffix("").parts])


def imported_modules(source: str, importer: str) -> set[str]:
    """What a source imports, wherever in the file, relative names resolved."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = importer.split(".")[: -node.level] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            # "from napari_gpcis import engine" names a room only in its last word.
            found |= {f"{module}.{alias.name}" for alias in node.names}
    return found


def backward_arrows(source: str, importer: str) -> set[str]:
    """The rooms that a file imports and may not."""
    home = room_of(importer)
    rooms = {room_of(module) for module in imported_modules(source, importer)} & {*ARROWS}
    return rooms - {home} - ARROWS.get(home or "", {*ARROWS} - {"training"})


def source_files() -> list[tuple[Path, str]]:
    return [
        (path, dotted_name(path, package))
        for package, folder in PACKAGES.items()
        for path in sorted(folder.rglob("*.py"))
    ]


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def modules_loaded_by(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after a statement."""
    return set(
        run_python(
            f"import sys\n{statement}\nprint(*{{m.split('.')[0] for m in sys.modules}})"
        ).split()
    )


@pytest.mark.parametrize(
    ("source", "importer", "expected"),
    [
        ("from napari_gpcis.engine import Session", "napari_gpcis.gp.kernels", {"engine"}),
        ("def f():\n    from ..model import network", "napari_gpcis.gp.kernels", {"model"}),
        ("from napari_gpcis import engine", "napari_gpcis.model.network", {"engine"}),
        ("from napari_gpcis import load_model", "napari_gpcis.gp.kernels", {"model"}),
        ("import napari_gpcis_training.cli", "napari_gpcis.cli", {"training"}),
        ("from napari_gpcis.cli import main", "napari_gpcis_training.cli", {"cli"}),
        ("from .kernels import k\nimport torch", "napari_gpcis.gp.posterior", set()),
        ("from napari_gpcis.gp import GPClassifier", "napari_gpcis_training.losses", set()),
    ],
)
def test_a_backward_arrow_is_seen(source: str, importer: str, expected: set[str]) -> None:
    assert backward_arrows(source, importer) == expected


def test_every_module_is_in_a_known_room() -> None:
    rooms = {room_of(name) for _, name in source_files()}
    assert rooms - {"__init__", "__main__"} <= {*ARROWS}


def test_imports_run_one_way() -> None:
    backward = {
        name: arrows
        for path, name in source_files()
        if (arrows := backward_arrows(path.read_text(encoding="utf-8"), name))
    }
    assert backward == {}


def test_the_gp_needs_torch_and_the_standard_library_only() -> None:
    allowed = {*sys.stdlib_module_names, "torch", "napari_gpcis"}
    needed = {
        module.split(".")[0]
        for path, name in source_files()
        if room_of(name) == "gp"
        for module in imported_modules(path.read_text(encoding="utf-8"), name)
    }
    assert needed <= allowed


@pytest.mark.parametrize("package", ["napari_gpcis.engine", "napari_gpcis_training"])
def test_importing_loads_neither_qt_nor_napari(package: str) -> None:
    loaded = modules_loaded_by(f"import {package}")
    assert not loaded & {
        "napari",
        "qtpy",
        "PyQt5",
        "PyQt6",
        "PySide2",
        "PySide6",
        "vispy",
        "magicgui",
    }


def test_importing_the_plugin_loads_no_torch() -> None:
    loaded = modules_loaded_by("import napari_gpcis; napari_gpcis.__version__")
    assert not loaded & {"torch", "timm", "numpy", "napari"}
