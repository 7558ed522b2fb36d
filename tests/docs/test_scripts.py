"""The examples, run as they stand."""

from __future__ import annotations

import runpy
import tempfile
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_a_script_runs_and_says_something(path, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    runpy.run_path(str(path))
    assert capsys.readouterr().out.strip()


def test_the_notebook_runs(tmp_path):
    notebook = nbformat.read(EXAMPLES / "first_object.ipynb", as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": tmp_path}}).execute()
    pictures = [
        output
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    assert len(pictures) == 2


def test_the_list_names_every_example():
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    named = {path.name for path in EXAMPLES.iterdir() if f"`{path.name}`" in text}
    assert named == {path.name for path in EXAMPLES.iterdir()} - {"README.md"}
