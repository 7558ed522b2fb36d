"""A crash of napari, at any moment, costs no more than the last change."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.gui, pytest.mark.slow]
SCRIPT = Path(__file__).parents[3] / "scripts" / "kill_test.py"


def test_what_was_done_before_a_crash_is_restored() -> None:
    command = [sys.executable, str(SCRIPT), "--times", "2", "--longest", "1.5"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 kills" in done.stdout
