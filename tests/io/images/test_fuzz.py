from __future__ import annotations

import importlib.util
import random
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[3] / "scripts" / "fuzz_tiff.py"


@pytest.fixture(scope="module")
def fuzz() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz_tiff", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz_tiff"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def files(fuzz: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return fuzz.make_files(tmp_path_factory.mktemp("files"))


def test_damaged_tiffs_are_read_or_refused_in_one_line(
    fuzz: ModuleType, files: list[Path], tmp_path: Path
) -> None:
    rng = random.Random(5)
    right = {file: fuzz.read_file(file) for file in files}
    outcomes = []
    for number in range(44):
        mutation = fuzz.MUTATIONS[number % len(fuzz.MUTATIONS)]
        file = rng.choice(files)
        content = bytearray(file.read_bytes())
        mutation(content, fuzz.Anatomy(bytes(content)), rng)
        damaged = tmp_path / "damaged.tif"
        damaged.write_bytes(content)
        kind, detail = fuzz.outcome(damaged, right[file])
        outcomes.append(kind)
        assert kind != "FAIL", f"{mutation.__name__} of {file.name}: {detail}"
    assert {"right answer", "clear error"} <= set(outcomes)


def test_undamaged_tiffs_are_read_rightly(fuzz: ModuleType, files: list[Path]) -> None:
    for file in files:
        assert fuzz.outcome(file, fuzz.read_file(file)) == ("right answer", "")


def test_a_child_that_dies_is_a_failure(
    fuzz: ModuleType, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fuzz, "MOST_SECONDS", 0.0)
    child = fuzz.Child()
    assert child.outcome(files[0], "") == ("FAIL", "more than 0 s")
