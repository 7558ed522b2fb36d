"""What is installed is all of the package and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel as `python -m build` makes it, with the build tools that are installed."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def payload(wheel: zipfile.ZipFile) -> set[str]:
    return {name for name in wheel.namelist() if ".dist-info/" not in name}


def test_both_packages_are_in_the_wheel_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    assert {name.split("/")[0] for name in payload(wheel)} == {
        "napari_gpcis",
        "napari_gpcis_training",
    }


def test_every_module_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    modules = {
        path.relative_to(folder).as_posix()
        for folder in (ROOT / "src", ROOT / "training")
        for path in folder.rglob("*.py")
    }
    assert modules <= payload(wheel)


def test_the_plugin_manifest_is_in_the_wheel_and_napari_is_told(wheel: zipfile.ZipFile) -> None:
    assert "napari_gpcis/napari.yaml" in payload(wheel)
    (entries,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    lines = wheel.read(entries).decode().splitlines()
    at = lines.index("[napari.manifest]")
    assert lines[at + 1] == "napari-gpcis = napari_gpcis:napari.yaml"


def test_the_default_model_and_its_card_are_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    assert {
        "napari_gpcis/weights/default.safetensors",
        "napari_gpcis/weights/default.md",
        "napari_gpcis/py.typed",
    } <= payload(wheel)


def test_the_wheel_holds_no_tests_and_no_caches(wheel: zipfile.ZipFile) -> None:
    strays = ("test", "conftest", "__pycache__")
    assert not [name for name in payload(wheel) if any(stray in name for stray in strays)]


def test_the_wheel_stays_small(wheel: zipfile.ZipFile) -> None:
    assert sum(info.compress_size for info in wheel.infolist()) < 15e6


def test_the_wheel_needs_no_qt_binding_unless_asked(wheel: zipfile.ZipFile) -> None:
    (metadata,) = (name for name in wheel.namelist() if name.endswith("METADATA"))
    lines = wheel.read(metadata).decode().splitlines()
    needed = [line.lower() for line in lines if line.startswith("Requires-Dist: ")]
    unasked = [line for line in needed if "extra ==" not in line]
    assert not [line for line in unasked if "qt" in line or "pyside" in line or "napari[" in line]
    assert any("napari[all]" in line for line in needed)
