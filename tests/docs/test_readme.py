"""What the README promises in code is run."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

README = Path(__file__).parents[2] / "README.md"

pytestmark = pytest.mark.slow


def test_the_python_example_runs_and_gives_what_it_says() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(example, str(README), "exec"), names)
    assert names["label"] == 1
    labels = names["session"].labels  # type: ignore[attr-defined]
    assert labels.shape == (303, 384)
    assert labels[193, 212] == 1
    assert labels[165, 190] == 0
    assert np.unique(labels).tolist() == [0, 1]
