"""The Python examples of the documentation, run as they stand; `test_readme` has the README's."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import tifffile

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
EXAMPLES = [
    pytest.param(text, id=f"{page.relative_to(ROOT)}-{number}")
    for page in PAGES
    for number, text in enumerate(BLOCK.findall(page.read_text(encoding="utf-8")))
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the files that examples name, as the present one."""
    coins = skimage.data.coins()
    tifffile.imwrite(tmp_path / "stack.tif", np.stack([coins] * 3), photometric="minisblack")
    (tmp_path / "clicks.csv").write_text("axis-0,axis-1,axis-2,object,positive\n1,193,212,1,1\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_runs_as_it_stands(example, folder):
    script = folder / "example.py"
    script.write_text(example, encoding="utf-8")
    runpy.run_path(str(script))  # an example that is wrong raises


def test_there_are_examples():
    assert len(EXAMPLES) == 6
