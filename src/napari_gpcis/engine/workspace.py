"""What a session works with: a model on a device, an image, and its annotation."""

from __future__ import annotations

import itertools
from dataclasses import replace
from threading import RLock
from typing import TYPE_CHECKING, Any

from napari_gpcis.engine.document.annotation import Annotation, Question
from napari_gpcis.engine.document.label_store import LabelStore
from napari_gpcis.engine.image import ImageSource
from napari_gpcis.engine.options import Direction, Mode, Options, Overlap, check_diameter
from napari_gpcis.engine.propagation.propagate import propagate
from napari_gpcis.engine.runner import Runner
from napari_gpcis.engine.segmenter import Answerer

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    import torch

    from napari_gpcis.engine.document.history import State
    from napari_gpcis.engine.normalise import Normalisation
    from napari_gpcis.engine.propagation.propagate import Carried
    from napari_gpcis.engine.result import Result
    from napari_gpcis.engine.types import Array, ArrayLike
    from napari_gpcis.model import SegmentationNetwork


class Workspace:
    """A model, an image, and questions about it; `Session` says what the parameters are.

    Methods may be called from any thread; one waits for the other.
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
        self._runner = Runner(model, device, device_bytes, host_bytes, notify=notify)
        self._lock = RLock()
        self._numbers = itertools.count(1)
        self._annotation: Annotation | None = None
        self._answerer: Answerer | None = None
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
            The same for the same data, so that going back to it finds its embeddings.
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
        _check_head(self._runner.network, mode)
        with self._lock:
            self.options = replace(self.options, mode=mode)
            self._runner.forget()
            self._annotation = annotation
            self._answerer = Answerer(source, self._runner, self.options, self._numbers)
            self._result = None

    @property
    def annotation(self) -> Annotation:
        """Clicks, committed objects, labels and history of the image."""
        return self._of_image[0]

    def answer(self, question: Question, is_stale: Callable[[], bool] = lambda: False) -> Result:
        """Answer a question of the annotation, and leave it to the caller to accept the answer.

        For programs that ask on one thread and work on another: `annotation` is changed and
        asked (`Annotation.question`) on the first, this is called on the second.

        Parameters
        ----------
        question : Question
            From `Annotation.question`.
        is_stale : callable
            Whether the answer is not wanted any more.
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
            Whose clicks count; the present one when not given.

        Returns
        -------
        int32, shape (Y, X)
            0 for the background.
        """
        if self.mode != "class":
            raise ValueError("expected a session in class mode; make one with mode='class'")
        with self._lock:
            annotation, answerer = self._of_image
            return answerer.classify(state or annotation.state, z)

    def spread(
        self,
        state: State,
        object_id: int,
        direction: Direction = "both",
        within: range | None = None,
    ) -> Iterator[Carried]:
        """Masks of an object slice by slice, for `Annotation.carry`; see `propagate`.

        Parameters
        ----------
        state : State
            Whose clicks count.
        object_id : int
            The object.
        direction : {"both", "up", "down"}
            Up is to later slices.
        within : range, optional
            Slices that follow one another, and that alone count; all when not given.

        Raises
        ------
        ValueError
            If the object has no clicks there, or no mask.
        """
        answerer = self._of_image[1]
        within = range(answerer.source.shape[0]) if within is None else within
        slices = sorted({click.z for click in state.of(object_id)} & {*within})
        if not slices:
            raise ValueError("expected an object with clicks, got none; click on it first")
        answers = {}
        for z in slices:
            seed = state.carried.get((object_id, z))
            answers[z] = answerer.answer(Question(state, object_id, z, None, seed))
        yield from propagate(
            answers,
            source=answerer.source,
            planner=answerer.planner,
            predict=self._runner.predict,
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
            Whether something else is wanted now; asked before each tile.
        """
        annotation, answerer = self._of_image
        answerer.prepare(annotation.state, z, place, is_stale)

    @property
    def object_diameter(self) -> float | None:
        """Object diameter in pixels, as given or as estimated; None before the first commit."""
        estimated = self._annotation.state.diameter if self._annotation else None
        return self.options.object_diameter or estimated

    @object_diameter.setter
    def object_diameter(self, diameter: float | None) -> None:
        check_diameter(diameter)
        with self._lock:
            self.options = replace(self.options, object_diameter=diameter)
            if self._answerer:
                self._answerer.given_diameter = diameter

    @property
    def threshold(self) -> float:
        """Probability above which a pixel is in the mask; answers that are there keep theirs."""
        return self.options.threshold

    @threshold.setter
    def threshold(self, threshold: float) -> None:
        with self._lock:
            self.options = replace(self.options, threshold=threshold)
            if self._answerer:
                self._answerer.planner.threshold = threshold

    @property
    def mode(self) -> Mode:
        """Object or class mode."""
        return self.options.mode

    @property
    def device(self) -> torch.device:
        """Where the network runs now."""
        return self._runner.device

    @property
    def _of_image(self) -> tuple[Annotation, Answerer]:
        if self._annotation is None or self._answerer is None:
            raise ValueError("expected an image, got none yet; call set_image first")
        return self._annotation, self._answerer


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
