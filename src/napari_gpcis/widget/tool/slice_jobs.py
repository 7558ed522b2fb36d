"""Work over many slices, in steps between which clicks are answered: propagation and classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_gpcis.engine.document.annotation import reach
from napari_gpcis.engine.document.history import StoredMask

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_gpcis.engine.document.label_store import Patch
    from napari_gpcis.widget.tool.engine_thread import EngineThread
    from napari_gpcis.widget.tool.image_document import ImageDocument
    from napari_gpcis.widget.tool.status import StatusReporter
    from napari_gpcis.widget.tool.types import Direction


class SliceJobs:
    """One job at a time; each ends as one step of the document's history.

    Parameters
    ----------
    engine : EngineThread
    reporter : StatusReporter
        Where progress is shown.
    is_open : callable
        Whether a document is still the one under work: only then is the result kept.
    """

    def __init__(
        self,
        engine: EngineThread,
        reporter: StatusReporter,
        is_open: Callable[[ImageDocument], bool],
    ) -> None:
        self._engine = engine
        self._reporter = reporter
        self._is_open = is_open

    @property
    def running(self) -> bool:
        """True while a job is under way."""
        return self._engine.busy

    def cancel(self) -> None:
        """Stop the running job; what is done stays, and undo takes it back."""
        self._engine.cancel()

    def propagate(self, document: ImageDocument, direction: Direction) -> None:
        """Carry the object that is worked on over to neighbouring slices."""
        annotation = document.annotation
        state, owner = annotation.state, annotation.state.active
        masks: dict[int, StoredMask] = {}
        run = document.frame.run_of(state.z)

        def on_slice(carried: Any) -> None:
            masks[carried.z] = StoredMask(carried.box, carried.mask)
            text = f"Propagating: slice {carried.z}"
            self._reporter.tell_progress(text, len(masks), len(run) - 1)

        def then(done: bool) -> None:
            self._reporter.end_progress()
            if not self._is_open(document):
                return
            if annotation.state.of(owner) != state.of(owner):
                self._reporter.tell("The object changed meanwhile; propagate it again", "warning")
                return
            clicked = {click.z for click in state.of(owner)} & {*run}
            annotation.carry(masks, owner, reach(clicked, direction, run) if done else ())
            self._reporter.tell(f"Propagated to {len(masks)} slice(s){_stopped(done)}")

        self._engine.propagate(state, owner, direction, run, on_slice, then)
        self._reporter.tell_progress("Propagating …", 0, max(1, len(run) - 1))

    def apply_classes(self, document: ImageDocument, slices: Sequence[int]) -> None:
        """Class mode: write the classes of every pixel of some slices into the labels."""
        annotation = document.annotation
        patches: list[Patch] = []
        count = 0

        def on_slice(step: tuple[int, tuple[Patch, ...]]) -> None:
            nonlocal count
            count += 1
            patches.extend(step[1])
            self._reporter.tell_progress("Applying classes", count, len(slices))

        def then(done: bool) -> None:
            self._reporter.end_progress()
            if self._is_open(document) and patches:
                annotation.edit(patches)
            self._reporter.tell(f"Wrote the classes of {count} slice(s){_stopped(done)}")

        self._engine.classify_all(annotation.state, annotation.labels, slices, on_slice, then)
        self._reporter.tell_progress("Applying classes", 0, len(slices))


def _stopped(done: bool) -> str:
    return "" if done else ", then stopped"
