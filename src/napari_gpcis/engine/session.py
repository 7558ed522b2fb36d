"""The session: an image, clicks, masks, labels, and a way back through all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_gpcis.engine.annotation import reach
from napari_gpcis.engine.click import Click
from napari_gpcis.engine.history import CarriedMask
from napari_gpcis.engine.options import Options
from napari_gpcis.engine.workspace import Workspace

if TYPE_CHECKING:
    from napari_gpcis.engine.history import Committed
    from napari_gpcis.engine.labels import Overlap
    from napari_gpcis.engine.options import Direction
    from napari_gpcis.engine.result import Result
    from napari_gpcis.engine.types import Array


class Session(Workspace):
    """Interactive segmentation of one image or stack at a time.

    Every change is answered before it returns. Programs that must not wait change the
    `annotation` themselves, and ask `answer` on another thread.

    Parameters
    ----------
    model : SegmentationNetwork
        From `load_model`. A copy of it is worked with.
    device : str
        "auto" takes CUDA, then Apple's MPS, then the CPU.
    mode : {"object", "class"}
        Whether clicks outline one object at a time, or say "pixels like this".
    object_diameter : float, optional
        Diameter of the objects in pixels. When not given, the first click of each finds its size,
        and after a commit others of that size are expected.
    overlap : {"protect", "overwrite"}
        What `commit` does to pixels of objects that have a label already.
    threshold : float
        Probability above which a pixel is in the mask.
    device_bytes, host_bytes : int, optional
        Budgets of the cache of embeddings.
    notify : callable, optional
        Called with a sentence when memory ran out and the session goes on with less, on the
        CPU perhaps; a `RuntimeWarning` when not given.

    Raises
    ------
    ValueError
        If an option is not one of those above.
    """

    def add_click(
        self,
        row: float,
        col: float,
        positive: bool = True,
        z: int = 0,
        object_id: int | None = None,
    ) -> Result:
        """Click on a pixel.

        Parameters
        ----------
        row, col : float
            In pixels; integers are pixel centres. An older click of the object on the same
            pixel is replaced.
        positive : bool
            Whether the pixel belongs to the object. In class mode a negative click is one of
            the background, whatever the class.
        z : int
            Slice index.
        object_id : int, optional
            Object (in class mode: class) that is meant; the last one when not given.

        Returns
        -------
        Result
            Of the slice.

        Raises
        ------
        ValueError
            If the position is outside the image. Nothing is changed then.
        """
        with self._lock:
            annotation = self.annotation
            meant = annotation.state.active if object_id is None else object_id
            annotation.add(
                Click.at(row, col, z=z, positive=positive, object_id=meant, shape=annotation.shape)
            )
            return self._show(z)

    def move_click(self, index: int, row: float, col: float) -> Result:
        """Move a click, given by its index in `clicks`, to another pixel of its slice.

        Raises
        ------
        ValueError
            If there is no such click, or the position is outside the image.
        """
        with self._lock:
            annotation = self.annotation
            old = annotation.click(index)
            moved = Click.at(
                row,
                col,
                z=old.z,
                positive=old.positive,
                object_id=old.object_id,
                shape=annotation.shape,
            )
            annotation.move(index, moved)
            return self._show(old.z)

    def remove_click(self, index: int) -> Result:
        """Remove a click, given by its index in `clicks`.

        Raises
        ------
        ValueError
            If there is no such click.
        """
        with self._lock:
            self.annotation.remove(index)
            return self._show(self.annotation.state.z)

    def clear(self) -> Result:
        """Remove the clicks of the object (class) that is worked on, in all slices."""
        with self._lock:
            self.annotation.clear()
            return self._show(self.annotation.state.z)

    def undo(self) -> Result:
        """Take back the last click, move, removal, clearing or commit; nothing if there is none."""
        with self._lock:
            step = self.annotation.undo()
            return self._show(step.after.z if step else self.annotation.state.z)

    def redo(self) -> Result:
        """Do again what was undone last; nothing if there is nothing."""
        with self._lock:
            self.annotation.redo()
            return self._show(self.annotation.state.z)

    def commit(self, label: int | None = None, overlap: Overlap | None = None) -> int:
        """Write the object into the labels and begin the next; in class mode, the slice's classes.

        Parameters
        ----------
        label : int, optional
            The next free one when not given. Not used in class mode.
        overlap : {"protect", "overwrite"}, optional
            Instead of the session's. Classes always replace what was there.

        Returns
        -------
        int
            The label; in class mode, the class that was worked on.

        Raises
        ------
        ValueError
            If there is no pixel to label. Nothing is changed then.
        """
        if label is not None and label < 1:
            raise ValueError(
                f"expected a label of 1 or more, got {label}; leave it out for the next"
            )
        policy = Options(overlap=overlap or self.options.overlap).overlap
        with self._lock:
            annotation, answerer = self._of_image
            self._result = None
            state = annotation.state
            if annotation.class_mode:
                annotation.commit_classes({state.z: answerer.classify(state, state.z)})
                return state.active
            for z in annotation.unanswered():
                self._answer(z)
            return annotation.commit(label, policy)

    def take_up(self, label: int, z: int | None = None) -> int:
        """Work on a committed object again; the next `commit` replaces its pixels.

        Parameters
        ----------
        label : int
            Of the object.
        z : int, optional
            Slice in which to look for its pixels, if it was not committed in this session.

        Returns
        -------
        int
            Its object number for now.

        Raises
        ------
        ValueError
            If there is no such label.
        """
        with self._lock:
            self._result = None
            return self.annotation.take_up(label, z)

    def propagate(self, direction: Direction = "both") -> tuple[int, ...]:
        """Carry the object that is worked on to the slices around those where it was clicked.

        One step of the history. The masks count as the object's: `commit` writes them too, and a
        click in such a slice starts from its mask.

        Parameters
        ----------
        direction : {"both", "up", "down"}
            Up is to later slices.

        Returns
        -------
        tuple of int
            Slices that have a carried mask now.

        Raises
        ------
        ValueError
            If the object has no clicks.
        """
        with self._lock:
            annotation = self.annotation
            state = annotation.state
            spread = self.spread(state, state.active, direction)
            masks = {carried.z: CarriedMask(carried.box, carried.mask) for carried in spread}
            clicked = {click.z for click in state.of(state.active)}
            instead = reach(clicked, direction, range(annotation.shape[0]))
            annotation.carry(masks, instead=instead)
            self._result = None
            return tuple(sorted(masks))

    @property
    def result(self) -> Result:
        """Result of what is worked on."""
        with self._lock:
            return self._result or self._show(self.annotation.state.z)

    @property
    def clicks(self) -> tuple[Click, ...]:
        """Clicks of all objects that are not committed, oldest first."""
        return self.annotation.state.clicks

    @property
    def committed(self) -> tuple[Committed, ...]:
        """Committed objects with their clicks, oldest first."""
        return self.annotation.state.committed

    @property
    def labels(self) -> Array:
        """Committed labels, (Y, X) or (Z, Y, X) int32; a copy."""
        with self._lock:
            annotation, answerer = self._of_image
            stack = annotation.labels.stack() if answerer.source.is_stack else None
            return self.labels_for(0) if stack is None else stack

    def labels_for(self, z: int = 0) -> Array:
        """Committed labels of a slice, (Y, X) int32; a copy."""
        with self._lock:
            annotation, answerer = self._of_image
            answerer.check_slice(z)
            return annotation.labels.of_slice(z)

    @property
    def can_undo(self) -> bool:
        """Whether there is something to take back."""
        return self.annotation.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether there is something to do again."""
        return self.annotation.can_redo

    def _show(self, z: int) -> Result:
        """Result of what is worked on, in a slice."""
        self._result = None
        self._result = self._answer(z)
        return self._result

    def _answer(self, z: int) -> Result:
        annotation, answerer = self._of_image
        question = annotation.question(z)
        result = answerer.answer(question)
        annotation.accept(question, result)
        return result
