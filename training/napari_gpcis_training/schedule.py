"""Learning rate: warm-up, constant with falls at milestones, decay, whose place may be set late."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(slots=True)
class Schedule:
    """Factor on the peak learning rate.

    Attributes
    ----------
    warmup_steps
        Steps of linear rise.
    decay_start
        Step at which the rate begins to fall; ``None`` while that is not known.
    decay_steps
        Steps until it reaches nothing, and the run its end.
    milestones
        Steps after which the rate falls at once.
    milestone_factor
        What is left of it each time.
    """

    warmup_steps: int
    decay_start: int | None
    decay_steps: int
    milestones: tuple[int, ...] = ()
    milestone_factor: float = 1.0

    def factor(self, step: int) -> float:
        """Return the factor at a step: 1 − √t in the decay.

        References
        ----------
        Hägele et al., Scaling Laws and Compute-Optimal Training Beyond Fixed Training Durations,
        NeurIPS 2024.
        """
        rise = min(1.0, (step + 1) / (self.warmup_steps + 1))
        rise *= self.milestone_factor ** sum(step >= milestone for milestone in self.milestones)
        if self.decay_start is None or step < self.decay_start:
            return rise
        part = (step - self.decay_start) / max(1, self.decay_steps)
        return rise * max(0.0, 1.0 - math.sqrt(part))

    def start_decay(self, step: int, steps: int) -> None:
        """Let the rate fall from `step` on, over `steps` steps."""
        self.decay_start, self.decay_steps = step, max(0, steps)

    @property
    def last_step(self) -> int | None:
        """Number of steps after which the run is over, if known."""
        return None if self.decay_start is None else self.decay_start + self.decay_steps
