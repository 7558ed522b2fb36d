"""One thing after another: what is asked for while an answer is awaited waits for its turn."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_gpcis.engine.click import Click


@dataclass(frozen=True, slots=True, eq=False)
class _Action:
    do: Callable[[], object]
    clicks: tuple[Click, ...]


class ActionQueue:
    """Actions in the order in which they were asked for.

    Each begins once what the one before has led to is answered, so events at any speed lead to
    what they lead to one at a time: Enter ends an object at once, however late its mask comes.

    Parameters
    ----------
    is_waiting : callable
        Whether an answer is awaited.
    attempt : callable
        Does an action that had to wait, and shows what stands in its way.
    show : callable
        Shows the clicks that wait.
    """

    def __init__(
        self,
        is_waiting: Callable[[], bool],
        attempt: Callable[[Callable[[], object]], None],
        show: Callable[[tuple[Click, ...]], None],
    ) -> None:
        self._is_waiting = is_waiting
        self._attempt = attempt
        self._show = show
        self._actions: deque[_Action] = deque()
        self._at_it = False

    def __bool__(self) -> bool:
        return bool(self._actions)

    def do(self, action: Callable[[], object], clicks: tuple[Click, ...] = ()) -> None:
        """Do something now, or when its turn comes.

        Parameters
        ----------
        action : callable
            What to do.
        clicks : tuple of Click
            Clicks that it adds: one, or the pixels of a stroke.

        Raises
        ------
        ValueError
            What the action raises when it is done now.
        """
        if self._at_it or not (self._actions or self._is_waiting()):
            action()
        else:
            self._actions.append(_Action(action, clicks))
        self._show_clicks()

    def do_now(self, action: Callable[[], object]) -> None:
        """Do something that needs no answer, though not before what was asked for earlier."""
        if self:
            self.do(action)
        else:
            action()

    def go_on(self) -> None:
        """Do what waits, until an answer is awaited again."""
        self._run(lambda: not self._is_waiting())

    def flush(self) -> None:
        """Do all that waits: there will be no answer."""
        self._run(lambda: True)

    def _run(self, while_true: Callable[[], bool]) -> None:
        if self._at_it:
            return
        self._at_it = True
        try:
            while self._actions and while_true():
                self._attempt(self._actions.popleft().do)
        finally:
            self._at_it = False
        self._show_clicks()

    def _show_clicks(self) -> None:
        self._show(tuple(click for action in self._actions for click in action.clicks))
