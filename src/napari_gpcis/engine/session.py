"""The session: an image, clicks, masks, labels, and a way back through all of it."""

from __future__ import annotations

from dataclasses import replace
from threading import RLock
from typing import TYPE_CHECKING, Any

from napari_gpcis.engine.click import Click
from napari_gpcis.engine.document.annotation import Annotation, Question, reach
from napari_gpcis.engine.document.history import StoredMask
from napari_gpcis.engine.document.label_store import LabelStore
from napari_gpcis.engine.image import ImageSource
from napari_gpcis.engine.options import Options
from napari_gpcis.engine.predictor import Predictor
from napari_gpcis.engine.prompts import box_clicks, lasso_clicks, scribble_clicks
from napari_gpcis.engine.propagation.propagate import propagate
from napari_gpcis.engine.segmenter import ImageSegmenter

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    import torch

    from napari_gpcis.engine.document.history import Committed, State
    from napari_gpcis.engine.normalise import Normalisation
    from napari_gpcis.engine.options import Direction, Mode, Overlap
    from napari_gpcis.engine.propagation.slice_mask import SliceMask
    from napari_gpcis.engine.result import Result
    from napari_gpcis.engine.types import Array, ArrayLike
    from napari_gpcis.model import SegmentationNetwork


class Session:
    """Interactive segmentation of one image or stack at a time.

    Every change is answered before it returns. Programs that must not wait change the
    `annotation` themselves, and ask `answer` on another thread. Methods may be called from any
    thread; one waits for the other.

    Parameters
    ----------
    model : SegmentationNetwork
        Network from `load_model`; a copy of it is worked with.
    device : str
        "auto" takes CUDA, then Apple's MPS, then the CPU.
    mode : {"object", "class"}
        Whether clicks outline one object at a time, or say "pixels like this".
    object_diameter : float, optional
        Diameter of the objects in pixels. When not given, the first click of each finds its size,
        and after a commit others of that size are expected.
    overlap : {"protect", "overwrite"}
        Policy of `commit` for pixels that have a label already.
    threshold : float
        Probability above which a pixel is in the mask.
    device_bytes, host_bytes : int, optional
        Budgets of the cache of embeddings.
    notify : callable, optional
        Called with a sentence when memory ran out and the session continues with less, perhaps on
        the CPU; a `RuntimeWarning` when not given.

    Raises
    ------
    ValueError
        If an option is not one of those above.
    """

    def __init__(
        self,
        model: SegmentationNetwork,
        device: str = "auto",
        mode: Mode = "object",
        object_diameter: float | None = None,
        *,
        overlap: Overlap = "protect",
        threshold: float = 0.5,
        device_bytes: int | None = None,
        host_bytes: int | None = None,
        notify: Callable[[str], None] | None = None,
    ) -> None:
        self.options = Options(mode, object_diameter, overlap, threshold)
        _check_head(model, mode)
        self._predictor = Predictor(model, device, device_bytes, host_bytes, notify=notify)
        self._lock = RLock()
        self._annotation: Annotation | None = None
        self._segmenter: ImageSegmenter | None = None
        self._result: Result | None = None

    def set_image(
        self,
        image: ArrayLike | Sequence[Any],
        *,
        channel_axis: int | None = None,
        channels: Sequence[int] | None = None,
        normalisation: Normalisation | None = None,
        identity: Hashable | None = None,
        labels: Array | None = None,
        annotation: Annotation | None = None,
    ) -> None:
        """Start on another image; clicks, labels and history begin anew.

        Parameters
        ----------
        image : array-like
            (Y, X), (Y, X, C), (Z, Y, X) or (Z, Y, X, C) of any real type. Dask and zarr arrays
            are read one slice at a time, when it is clicked.
        channel_axis : int, optional
            Axis of the channels, if it is not a last axis of at most 4.
        channels : sequence of int, optional
            Channels to use.
        normalisation : Normalisation, optional
            Percentiles, per slice (the default) or per stack.
        identity : hashable, optional
            Equal for the same data, so that going back to it finds its embeddings.
        labels : array of int, optional
            Labels to go on from, in the image's shape without channels.
        annotation : Annotation, optional
            Clicks, labels and history to go on from, instead of new ones, and the mode with
            them. It is not copied.

        Raises
        ------
        ValueError
            If the image's axes or type, or the labels, do not fit. Nothing is changed then.
        """
        source = ImageSource(
            image,
            channel_axis=channel_axis,
            channels=channels,
            normalisation=normalisation,
            identity=identity,
        )
        if annotation is None:
            store = LabelStore(source.shape, labels)
            annotation = Annotation(store, class_mode=self.mode == "class")
        _check_fit(annotation, source)
        mode: Mode = "class" if annotation.class_mode else "object"
        _check_head(self._predictor.network, mode)
        with self._lock:
            self.options = replace(self.options, mode=mode)
            self._predictor.forget()
            self._annotation = annotation
            self._segmenter = ImageSegmenter(source, self._predictor, self.options)
            self._result = None

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
            Position in pixels; integers are pixel centres. An older click of the object on the
            same pixel is replaced.
        positive : bool
            Whether the pixel belongs to the object. In class mode a negative click is one of
            the background, whatever the class.
        z : int
            Slice index.
        object_id : int, optional
            Object (in class mode: class) of the click; the last one when not given.

        Returns
        -------
        Result
            Result of the slice.

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

    def add_scribble(
        self,
        path: Sequence[tuple[float, float]],
        positive: bool = True,
        z: int = 0,
        object_id: int | None = None,
    ) -> Result:
        """Draw a stroke: every pixel that it runs over is labelled, in one step.

        Up to 64 pixels along it train the GP at first; the others are looked at afterwards, and
        those that came out wrong are added.

        Parameters
        ----------
        path : sequence of (row, column)
            Corners of the stroke in pixels, as drawn. What lies outside the image is left out.
        positive : bool
            Whether its pixels belong to the object; in class mode, False for the background.
        z : int
            Slice index.
        object_id : int, optional
            Object (in class mode: class) of the stroke; the last one when not given.

        Returns
        -------
        Result
            Result of the slice.

        Raises
        ------
        ValueError
            If no pixel of it lies in the image. Nothing is changed then.
        """
        return self._add(
            z,
            object_id,
            lambda **known: scribble_clicks(path, positive=positive, **known),
        )

    def add_box(
        self,
        r0: float,
        c0: float,
        r1: float,
        c1: float,
        z: int = 0,
        object_id: int | None = None,
    ) -> Result:
        """Draw a box: the object is in it, touches all its sides, and has no pixel outside.

        Its frame is labelled as not the object. A later positive pixel outside the box takes the
        word about the outside back.

        Parameters
        ----------
        r0, c0, r1, c1 : float
            Rows and columns of two opposite corners, in pixels; both belong to the box.
        z : int
            Slice index.
        object_id : int, optional
            Object; the last one when not given.

        Returns
        -------
        Result
            Result of the slice.

        Raises
        ------
        ValueError
            If the box lies outside the image or covers all of it, or in class mode. Nothing is
            changed then.
        """
        if self.mode == "class":
            raise ValueError(
                "expected a scribble or a lasso in class mode, got a box, which holds one object; "
                "draw over pixels of the class instead"
            )
        return self._add(z, object_id, lambda **known: box_clicks(r0, c0, r1, c1, **known))

    def add_lasso(
        self,
        polygon: Sequence[tuple[float, float]],
        positive: bool = True,
        z: int = 0,
        object_id: int | None = None,
    ) -> Result:
        """Draw an outline: what is inside belongs to the object (class).

        Parameters
        ----------
        polygon : sequence of (row, column)
            Corners of the outline in pixels; it is closed from the last to the first.
        positive, z, object_id
            As for `add_scribble`.

        Returns
        -------
        Result
            Result of the slice.

        Raises
        ------
        ValueError
            If nothing of the image lies inside. Nothing is changed then.
        """
        return self._add(
            z, object_id, lambda **known: lasso_clicks(polygon, positive=positive, **known)
        )

    def move_click(self, index: int, row: float, col: float) -> Result:
        """Move a click, given by its index in `clicks`, to another pixel of its slice.

        A pixel of a scribble, box or lasso takes all of that along.

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
        """Remove a click, given by its index in `clicks`, or the stroke that it belongs to.

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
        """Take back the last click, stroke, move, removal, clearing or commit; nothing if there is none."""
        with self._lock:
            step = self.annotation.undo()
            return self._show(step.after.z if step else self.annotation.state.z)

    def redo(self) -> Result:
        """Do the last undone step again; nothing if there is none."""
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
            Policy in place of the session's. Classes always replace older labels.

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
            annotation, segmenter = self._of_image
            self._result = None
            state = annotation.state
            if annotation.class_mode:
                annotation.commit_classes({state.z: segmenter.classify(state, state.z)})
                return state.active
            for z in annotation.unanswered():
                self._answer(z)
            return annotation.commit(label, policy)

    def take_up(self, label: int, z: int | None = None) -> int:
        """Work on a committed object again; the next `commit` replaces its pixels.

        Parameters
        ----------
        label : int
            Label of the object.
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
            masks = {carried.z: StoredMask(carried.box, carried.mask) for carried in spread}
            clicked = {click.z for click in state.of(state.active)}
            instead = reach(clicked, direction, range(annotation.shape[0]))
            annotation.carry(masks, instead=instead)
            self._result = None
            return tuple(sorted(masks))

    @property
    def result(self) -> Result:
        """Result of the object (class) and slice that are worked on."""
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
            annotation, segmenter = self._of_image
            stack = annotation.labels.stack() if segmenter.source.is_stack else None
            return self.labels_for(0) if stack is None else stack

    def labels_for(self, z: int = 0) -> Array:
        """Committed labels of a slice, (Y, X) int32; a copy."""
        with self._lock:
            annotation, segmenter = self._of_image
            segmenter.check_slice(z)
            return annotation.labels.of_slice(z)

    @property
    def can_undo(self) -> bool:
        """True if there is something to take back."""
        return self.annotation.can_undo

    @property
    def can_redo(self) -> bool:
        """True if there is something to do again."""
        return self.annotation.can_redo

    @property
    def annotation(self) -> Annotation:
        """Clicks, committed objects, labels and history of the image."""
        return self._of_image[0]

    @property
    def object_diameter(self) -> float | None:
        """Object diameter in pixels, as given or as estimated; None before the first commit."""
        estimated = self._annotation.state.diameter if self._annotation else None
        return self.options.object_diameter or estimated

    @object_diameter.setter
    def object_diameter(self, diameter: float | None) -> None:
        with self._lock:
            self.options = replace(self.options, object_diameter=diameter)
            if self._segmenter:
                self._segmenter.given_diameter = diameter

    @property
    def threshold(self) -> float:
        """Probability above which a pixel is in the mask; answers that are there keep theirs."""
        return self.options.threshold

    @threshold.setter
    def threshold(self, threshold: float) -> None:
        with self._lock:
            self.options = replace(self.options, threshold=threshold)
            if self._segmenter:
                self._segmenter.threshold = threshold

    @property
    def mode(self) -> Mode:
        """Object or class mode."""
        return self.options.mode

    @property
    def device(self) -> torch.device:
        """Device that the network runs on now."""
        return self._predictor.device

    def answer(self, question: Question, is_stale: Callable[[], bool] = lambda: False) -> Result:
        """Answer a question of the annotation, and leave it to the caller to accept the answer.

        For programs that ask on one thread and work on another: `annotation` is changed and
        asked (`Annotation.question`) on the first, this is called on the second.

        Parameters
        ----------
        question : Question
            Question from `Annotation.question`.
        is_stale : callable
            Tells whether the answer is not wanted any more.
        """
        with self._lock:
            return self._of_image[1].answer(question, is_stale)

    def class_tiles(
        self, state: State, z: int, place: tuple[int, int] = (0, 0)
    ) -> Iterator[Result]:
        """Class mode: results that cover a slice tile by tile, the one at a pixel first."""
        return self._of_image[1].class_tiles(state, z, place)

    def classify(self, z: int = 0, state: State | None = None) -> Array:
        """Class mode: class of every pixel of a slice, also of one without clicks.

        Parameters
        ----------
        z : int
            Slice index.
        state : State, optional
            State whose clicks count; the present one when not given.

        Returns
        -------
        int32, shape (Y, X)
            0 for the background.
        """
        if self.mode != "class":
            raise ValueError("expected a session in class mode; make one with mode='class'")
        with self._lock:
            annotation, segmenter = self._of_image
            return segmenter.classify(state or annotation.state, z)

    def spread(
        self,
        state: State,
        object_id: int,
        direction: Direction = "both",
        within: range | None = None,
    ) -> Iterator[SliceMask]:
        """Masks of an object slice by slice, for `Annotation.carry`; see `propagate`.

        Parameters
        ----------
        state : State
            State whose clicks count.
        object_id : int
            Number of the object.
        direction : {"both", "up", "down"}
            Up is to later slices.
        within : range, optional
            Slices that follow one another, and that alone count; all when not given.

        Raises
        ------
        ValueError
            If the object has no clicks there, or no mask.
        """
        segmenter = self._of_image[1]
        within = range(segmenter.source.shape[0]) if within is None else within
        slices = sorted({click.z for click in state.of(object_id)} & {*within})
        if not slices:
            raise ValueError("expected an object with clicks, got none; click on it first")
        answers = {}
        for z in slices:
            seed = state.carried.get((object_id, z))
            answers[z] = segmenter.answer(Question(state, object_id, z, None, seed))
        yield from propagate(
            answers,
            source=segmenter.source,
            predictor=self._predictor,
            direction=direction,
            within=within,
        )

    def prepare(
        self,
        z: int = 0,
        place: tuple[int, int] = (0, 0),
        is_stale: Callable[[], bool] = lambda: False,
    ) -> None:
        """Encode a slice ahead of need, so that its first click is as fast as the others.

        Parameters
        ----------
        z : int
            Slice index.
        place : (row, col)
            Pixel around which to begin; of a slice that would fill more than half of the cache,
            the rest is left out.
        is_stale : callable
            Tells whether something else is wanted now; asked before each tile.
        """
        annotation, segmenter = self._of_image
        segmenter.prepare(annotation.state, z, place, is_stale)

    def _add(
        self, z: int, object_id: int | None, draw: Callable[..., tuple[Click, ...]]
    ) -> Result:
        """Add a stroke, whose pixels `draw` makes of what is known of the image."""
        with self._lock:
            annotation = self.annotation
            meant = annotation.state.active if object_id is None else object_id
            pixels = draw(
                shape=annotation.shape, stroke=annotation.next_stroke, z=z, object_id=meant
            )
            annotation.add(*pixels)
            return self._show(z)

    def _show(self, z: int) -> Result:
        """Result of the object (class) that is worked on, in a slice."""
        self._result = None
        self._result = self._answer(z)
        return self._result

    def _answer(self, z: int) -> Result:
        annotation, segmenter = self._of_image
        question = annotation.question(z)
        result = segmenter.answer(question)
        annotation.accept(question, result)
        return result

    @property
    def _of_image(self) -> tuple[Annotation, ImageSegmenter]:
        if self._annotation is None or self._segmenter is None:
            raise ValueError("expected an image, got none yet; call set_image first")
        return self._annotation, self._segmenter


def _check_fit(annotation: Annotation, source: ImageSource) -> None:
    if annotation.shape != source.shape:
        raise ValueError(
            f"expected an annotation of {source.shape} slices, rows and columns, got one of "
            f"{annotation.shape}; give the image that it was made on"
        )


def _check_head(model: SegmentationNetwork, mode: Mode) -> None:
    if mode == "class" and model.config.head != "gp":
        raise ValueError(
            f"expected a model with a GP head for class mode, got head {model.config.head!r}; "
            "load another model"
        )
