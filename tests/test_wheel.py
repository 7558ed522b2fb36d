"""What is released is all of the package and nothing else, and works where it is installed."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of wheel and sdist as `python -m build` makes them, with the tools installed here."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder)]
    run(*command, "--sdist", "--wheel", cwd=ROOT)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> zipfile.ZipFile:
    (path,) = built.glob("*.whl")
    return zipfile.ZipFile(path)


def run(*command: str, cwd: Path, **environment: str) -> str:
    """Output of a command, which has to succeed."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


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
    assert sum(info.compress_size for info in wheel.infolist()) < 20e6


def test_the_wheel_needs_no_qt_binding_unless_asked(wheel: zipfile.ZipFile) -> None:
    (metadata,) = (name for name in wheel.namelist() if name.endswith("METADATA"))
    lines = wheel.read(metadata).decode().splitlines()
    needed = [line.lower() for line in lines if line.startswith("Requires-Dist: ")]
    unasked = [line for line in needed if "extra ==" not in line]
    assert not [line for line in unasked if "qt" in line or "pyside" in line or "napari[" in line]
    assert any("napari[all]" in line for line in needed)


def test_pypi_can_show_both_and_takes_them(built: Path) -> None:
    files = [str(path) for path in built.iterdir()]
    assert len(files) == 2
    run(sys.executable, "-m", "twine", "check", "--strict", *files, cwd=built)


def test_the_source_release_holds_what_builds_and_tests_it(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "mkdocs.yml"}
    folders = {"src", "training", "tests", "docs", "examples", "benchmarks", "scripts"}
    assert wanted <= names
    assert folders <= {name.partition("/")[0] for name in names}
    assert not [name for name in names if name.startswith(("runs", "demo", "training/weights"))]


def test_the_installed_wheel_segments_an_image(built: Path, tmp_path: Path) -> None:
    (path,) = built.glob("*.whl")
    install = ["-m", "pip", "install", "-q", "--no-deps", "--target", "installed", str(path)]
    run(sys.executable, *install, cwd=tmp_path)
    program = (
        "import napari_gpcis, skimage.data as data\n"
        "session = napari_gpcis.Session(napari_gpcis.load_model('default'), 'cpu')\n"
        "session.set_image(data.coins())\n"
        "print(napari_gpcis.__file__, session.add_click(193, 212).mask.sum())\n"
    )
    installed = str(tmp_path / "installed")
    said = run(sys.executable, "-c", program, cwd=tmp_path, PYTHONPATH=installed)
    where, area = said.rsplit(maxsplit=1)
    assert where.startswith(installed)
    assert 1000 < int(area) < 3000
