from __future__ import annotations

import pytest
from napari_gpcis_training.state import Schedule


def test_the_rate_rises_stays_and_falls_to_nothing() -> None:
    schedule = Schedule(warmup_steps=10, decay_start=None, decay_steps=1)
    factors = [schedule.factor(step) for step in range(100)]
    assert factors[:10] == sorted(factors[:10])
    assert factors[0] > 0
    assert factors[10:] == [1.0] * 90
    schedule.start_decay(100, 50)
    falling = [schedule.factor(step) for step in range(100, 151)]
    assert falling == sorted(falling, reverse=True)
    assert falling[0] == 1
    assert falling[-1] == pytest.approx(0)
    assert schedule.last_step == 150


def test_an_unplanned_run_has_no_end() -> None:
    assert Schedule(10, None, 1).last_step is None
