"""Propose the rest: objects like the committed ones, to accept or to reject by a click."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from qtpy.QtCore import QObject, QTimer

from napari_gpcis.widget.layers.outlines import Outlines, level_of
from napari_gpcis.widget.tool.types import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_gpcis.engine.document.annotation import Annotation, Change
    from napari_gpcis.engine.geometry import Box
    from napari_gpcis.engine.proposals.linking import LinkedProposal
    from napari_gpcis.engine.proposals.proposal import Proposal
    from napari_gpcis.engine.types import Array
    from napari_gpcis.widget.tool.answer_loop import AnswerLoop
    from napari_gpcis.widget.tool.documents import Documents
    from napari_gpcis.widget.tool.image_document import ImageDocument
    from napari_gpcis.widget.tool.status import StatusReporter

MOST_TAKEN = 0.1
"""Part of a proposal that may be somebody else's by now."""
THINK_MS = 600
"""After a rejection: others may follow, and all are learnt from together."""


@dataclass(eq=False)
class Found:
    """What was proposed for a document.

    Attributes
    ----------
    items : list of LinkedProposal
        All, those included that are covered by labels: these come back when that is undone.
    covered : set of LinkedProposal
    rejected : list of LinkedProposal
    slices : range
        What was asked for last.
    annotation : Annotation or None
        The one that is listened to.
    """

    items: list[LinkedProposal] = field(default_factory=list)
    covered: set[LinkedProposal] = field(default_factory=set)
    rejected: list[LinkedProposal] = field(default_factory=list)
    slices: range = range(0)
    annotation: Annotation | None = None


class Proposals(QObject):
    """Proposals of the open document: asked for, drawn, accepted, rejected.

    Parameters
    ----------
    documents : Documents
    loop : AnswerLoop
    reporter : StatusReporter
    parent : QObject, optional

    Attributes
    ----------
    threshold : float
        Certainty from which a proposal is accepted together with others; see `set_threshold`.
    in_stack : bool
        Whether all slices are searched, or the shown one; see `search_stack`.
    """

    def __init__(
        self,
        documents: Documents,
        loop: AnswerLoop,
        reporter: StatusReporter,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.threshold = 0.5
        self.in_stack = False
        self._documents, self._loop, self._reporter = documents, loop, reporter
        self._outlines = documents.outlines = Outlines(loop.viewer, self.threshold)
        self._found: WeakKeyDictionary[ImageDocument, Found] = WeakKeyDictionary()
        self._running = self._again = False
        self._learn = QTimer(self)
        self._learn.setSingleShot(True)
        self._learn.setInterval(THINK_MS)
        self._learn.timeout.connect(lambda: reporter.attempt(self._look_again))

    def close(self) -> None:
        """Take the outlines away."""
        self._learn.stop()
        self._outlines.remove()

    def opened(self) -> None:
        """Another document is open: its own proposals are shown."""
        self._learn.stop()
        self._again = False
        document = self._documents.open
        if document is not None:
            self._outlines.bind(document.image, document.frame)
            self.refresh()

    # what the user asks for

    def propose(self) -> None:
        """Propose the rest of the shown slice, or of its stack, in the background.

        Raises
        ------
        ValueError
            If there is nothing to go by yet.
        """
        document = self._documents.open_or_raise()
        frame, z = document.frame, document.shown_slice
        self._start(document, frame.run_of(z) if self.in_stack else range(z, z + 1))

    def set_threshold(self, certainty: float) -> None:
        """Choose from which certainty proposals are accepted together, and drawn solid."""
        if not 0 <= certainty <= 1:
            raise ValueError(f"expected a certainty of 0 to 1, got {certainty}; move the slider")
        self.threshold = certainty
        self._outlines.set_threshold(certainty)
        self._reporter.announce()

    def search_stack(self, on: bool) -> None:
        """Search all slices, or the shown one."""
        self.in_stack = on
        self._reporter.announce()

    def click(self, world: tuple[float, ...], positive: bool) -> bool:
        """Accept or reject the proposal at a position; False if there is none."""
        document = self._documents.open
        if document is None or not (document.is_shown and document.image.visible):
            return False
        place = document.place_at(world)
        item = None if place is None else self._at(*place)
        if item is None:
            return False
        if positive:
            self._accept(document, [item])
        else:
            self._reject(document, item)
        return True

    def accept_all(self) -> bool:
        """Accept those above the threshold, as one step; False if none are shown."""
        document, shown = self._documents.open, self.shown
        if document is None or not shown:
            return False
        above = [item for item in shown if item.score >= self.threshold]
        if above:
            self._accept(document, above)
        else:
            self._reporter.tell("No proposal is above the threshold: lower it first", "warning")
        return True

    def dismiss(self) -> bool:
        """Forget all proposals, and stop looking for others; False if there are none."""
        document = self._documents.open
        if document is None or not (self.shown or self._running):
            return False
        self._learn.stop()
        self._again = False
        if self._running:
            self._loop.engine.cancel()
        found = self._of(document)
        found.items, found.slices = [], range(0)
        self._reporter.tell("Proposals dismissed")
        self.refresh()
        return True

    # what is shown

    @property
    def shown(self) -> list[LinkedProposal]:
        """Proposals that can be accepted, in all slices."""
        document = self._documents.open
        if document is None or document.mode != "object":
            return []
        found = self._of(document)
        return [item for item in found.items if item not in found.covered]

    @property
    def counts(self) -> tuple[int, int]:
        """How many there are, and how many of them are above the threshold."""
        shown = self.shown
        return len(shown), sum(item.score >= self.threshold for item in shown)

    @property
    def can_propose(self) -> bool:
        """True if there is an object to go by, and nothing long is under way."""
        document, loaded = self._documents.open, self._loop.loaded
        return (
            document is not None
            and document.mode == "object"
            and loaded is not None
            and loaded.has_gp
            and _has_examples(document)
            and not self._loop.engine.busy
        )

    def refresh(self) -> None:
        """Draw what can be accepted."""
        document = self._documents.open
        if document is None:
            return
        found = self._of(document)
        if found.annotation is not document.annotation:  # a restored one, or the first
            found.annotation = document.annotation
            document.annotation.observers.append(self._changed)
            self._cover(document, found.items)
        self._draw(document)

    def _draw(self, document: ImageDocument) -> None:
        wanted = {part: level_of(item.score) for item in self.shown for part in item.parts}
        self._outlines.show(document.image, wanted, document.preview.layer)

    def _at(self, z: int, row: int, col: int) -> LinkedProposal | None:
        """The proposal that holds a pixel; none where the object at work is."""
        document = self._documents.open_or_raise()
        state = document.annotation.state
        at_work = state.mask_of(state.active, z)
        for item in self.shown:
            for part in item.parts:
                if part.z == z and _holds(part.box, part.mask, row, col):
                    hit = at_work is not None and _overlap(*at_work, part.box, part.mask) > 0
                    return None if hit else item
        return None

    def _of(self, document: ImageDocument) -> Found:
        return self._found.setdefault(document, Found())

    def _changed(self, change: Change) -> None:
        """Labels have changed: what they cover is proposed no more, what they uncover is again."""
        document = self._documents.open
        if document is None or not change.step.patches:
            return
        touched = [
            item
            for item in self._of(document).items
            if any(
                part.z == patch.z and not part.box.intersect(patch.box).empty
                for part in item.parts
                for patch in change.step.patches
            )
        ]
        self._cover(document, touched)
        self._draw(document)
        self._reporter.announce()

    def _cover(self, document: ImageDocument, items: Iterable[LinkedProposal]) -> None:
        covered = self._of(document).covered
        for item in items:
            taken = sum(
                int((part.mask & document.committed_in(part.z, part.box)).sum())
                for part in item.parts
            )
            if taken > MOST_TAKEN * sum(part.area for part in item.parts):
                covered.add(item)
            else:
                covered.discard(item)

    # how it is done

    def _accept(self, document: ImageDocument, items: list[LinkedProposal]) -> None:
        """Commit proposals, as one step."""
        objects = [
            (
                {part.z: (part.box, part.mask) for part in item.parts},
                tuple(part.click for part in item.parts),
            )
            for item in items
        ]
        labels = [label for label in document.annotation.commit_found(objects) if label]
        if len(items) == 1 and labels:
            certainty = f"certainty {items[0].score:.2f}"
            self._reporter.tell(f"Accepted as label {labels[0]} ({certainty})")
        else:
            self._reporter.tell(f"Accepted {counted(len(labels), 'object')}; Ctrl-Z takes it back")

    def _reject(self, document: ImageDocument, item: LinkedProposal) -> None:
        found = self._of(document)
        found.items.remove(item)
        found.rejected.append(item)
        self._draw(document)
        self._reporter.tell("Rejected: looking again with that in mind …")
        self._learn.start()

    def _look_again(self) -> None:
        document = self._documents.open
        if document is None or not self._of(document).slices:
            return
        if self._running:
            self._again = True
            self._loop.engine.cancel()
        elif not self._loop.engine.busy:
            self._start(document, self._of(document).slices)

    def _start(self, document: ImageDocument, slices: range) -> None:
        loaded = self._loop.loaded
        if document.mode != "object":
            raise ValueError("Objects are proposed, not classes: choose Objects first")
        if loaded is None:
            raise ValueError("The model is still being loaded: try again in a moment")
        if not loaded.has_gp:
            raise ValueError("This model cannot propose objects; choose another model")
        if not _has_examples(document):
            raise ValueError("Commit an object first: the rest is found by its likeness")
        found = self._of(document)
        before = [item for item in found.items if item.parts[0].z in slices]
        fresh: list[Proposal] = []

        def is_open() -> bool:
            return self._documents.open is document and found.slices == slices

        def on_proposal(proposal: Proposal) -> None:
            if is_open():
                fresh.append(proposal)
                self._take_in(document, proposal, before)

        def on_progress(progress: tuple[int, int]) -> None:
            if is_open() and self._running:
                self._reporter.tell_progress("Looking for others", *progress)

        def then(done: bool) -> None:
            self._running = False
            self._reporter.end_progress()
            if not is_open():
                return
            if done:
                self._settle(document, fresh, before)
            if self._again:
                self._again = False
                self._reporter.attempt(self._look_again)
            else:
                self._tell(done)

        self._loop.engine.propose(slices, found.rejected, on_proposal, on_progress, then)
        found.slices = slices
        self._running = True
        self._reporter.tell_progress("Looking for others", 0, len(slices))

    def _take_in(
        self, document: ImageDocument, proposal: Proposal, before: list[LinkedProposal]
    ) -> None:
        """Show a proposal in place of those of an earlier search that it overlaps."""
        from napari_gpcis.engine.proposals.linking import LinkedProposal

        found = self._of(document)
        old = [item for item in before if _meets(item, proposal) and item not in found.covered]
        found.items = [item for item in found.items if item not in old]
        new = LinkedProposal((proposal,))
        if any(_meets(item, proposal) for item in found.rejected):
            return
        found.items.append(new)
        self._cover(document, [new])
        self._draw(document)
        self._reporter.announce()

    def _settle(
        self, document: ImageDocument, fresh: list[Proposal], before: list[LinkedProposal]
    ) -> None:
        """All is found: what the earlier search had found goes, slices are linked."""
        from napari_gpcis.engine.proposals.linking import link

        found = self._of(document)
        parts = {part for item in found.items for part in item.parts}
        gone = {*before} - found.covered
        single = {*fresh}
        kept = [
            item for item in found.items if item not in gone and not single.intersection(item.parts)
        ]
        found.items = [*kept, *link(part for part in fresh if part in parts)]
        found.covered &= {*found.items}
        self._cover(document, found.items)
        self._draw(document)

    def _tell(self, done: bool) -> None:
        count, above = self.counts
        if not count:
            text = "Nothing more was found" if done else "Stopped"
            self._reporter.tell(text)
            return
        self._reporter.tell(
            f"{counted(count, 'object')} proposed: click accepts, Ctrl-click rejects, Enter "
            f"accepts {above}"
        )


def _has_examples(document: ImageDocument) -> bool:
    annotation = document.annotation
    return bool(annotation.state.committed) or annotation.labels.highest > 0


def _holds(box: Box, mask: Array, row: int, col: int) -> bool:
    return box.holds(row, col) and bool(mask[row - box.r0, col - box.c0])


def _meets(item: LinkedProposal, proposal: Proposal) -> bool:
    return any(
        part.z == proposal.z and _overlap(part.box, part.mask, proposal.box, proposal.mask) > 0
        for part in item.parts
    )


def _overlap(box: Box, mask: Array, other_box: Box, other: Array) -> int:
    """Number of pixels that two masks share."""
    shared = box.intersect(other_box)
    if shared.empty:
        return 0
    inside, there = shared.within(box).slices, shared.within(other_box).slices
    return int((mask[inside] & other[there]).sum())
