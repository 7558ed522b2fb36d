"""Imports run one way: the contracts of `pyproject.toml`, and what import-linter cannot say."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from importlib import import_module
from pathlib import Path

import grimp
import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).parents[1]
FOLDERS = (ROOT / "src" / "napari_gpcis", ROOT / "training" / "napari_gpcis_training")
FACES = ("engine", "model")
"""Rooms whose names are imported on first use, which no reader of imports sees."""


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    """Who imports whom, for type checking too."""
    packages = [folder.name for folder in FOLDERS]
    return grimp.build_graph(*packages, include_external_packages=True, cache_dir=None)


def names_imported_by_string(source: str) -> set[str]:
    """Modules that `import_module` is given as they stand in the source."""
    importers = ("import_module", "__import__")
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return {
        argument.value
        for call in calls
        if getattr(call.func, "id", getattr(call.func, "attr", "")) in importers
        for argument in call.args
        if isinstance(argument, ast.Constant)
    }


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


def test_imports_keep_the_contracts(capsys: pytest.CaptureFixture[str]) -> None:
    status = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert status == EXIT_STATUS_SUCCESS, capsys.readouterr().out


def test_no_files_import_each_other_in_a_circle(graph: grimp.ImportGraph) -> None:
    # Beside the contract on siblings, which leaves out a package's own __init__.
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    TopologicalSorter(imports).prepare()


def test_the_gp_needs_torch_and_the_standard_library_only(graph: grimp.ImportGraph) -> None:
    gp = {"napari_gpcis.gp", *graph.find_descendants("napari_gpcis.gp")}
    needed = {
        name.split(".")[0]
        for module in gp
        for name in graph.find_modules_directly_imported_by(module)
    }
    assert needed <= {*sys.stdlib_module_names, "torch", "napari_gpcis"}


def test_a_module_that_is_imported_by_a_string_is_seen() -> None:
    source = 'import importlib\nimportlib.import_module("napari_gpcis.batch")'
    assert names_imported_by_string(source) == {"napari_gpcis.batch"}


def test_no_module_of_ours_is_imported_by_a_string() -> None:
    named = {
        name
        for folder in FOLDERS
        for path in folder.rglob("*.py")
        for name in names_imported_by_string(path.read_text(encoding="utf-8"))
    }
    assert not {name for name in named if name.startswith("napari_gpcis")}


@pytest.mark.parametrize("room", FACES)
def test_what_a_room_hands_out_lies_in_it(room: str) -> None:
    face = import_module(f"napari_gpcis.{room}")
    elsewhere = {
        name
        for name in face.__all__
        if not getattr(face, name).__module__.startswith(f"{face.__name__}.")
    }
    assert not elsewhere


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
