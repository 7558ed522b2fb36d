"""The session: an image, clicks, masks, labels, and a way back through all of it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from threading import RLock
from typing import TYPE_CHECKING, Any

from napari_gpcis.engine.document import Document
from napari_gpcis.engine.image import ImageSource
from napari_gpcis.engine.labels import LabelStore, Overlap
from napari_gpcis.engine.options import Mode, Options, check_diameter
from napari_gpcis.engine.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import torch

    from napari_gpcis.engine.click import Click
    from napari_gpcis.engine.history import Committed
    from napari_gpcis.engine.normalise import Normalisation
    from napari_gpcis.engine.result import Result
    from napari_gpcis.engine.types import Array, ArrayLike
    from napari_gpcis.model import SegmentationNetwork


class Session:
    """Interactive segmentation of one image or stack at a time.

    Methods may be called from any thread; one waits for the other.

    Parameters
    ----------
    model : SegmentationNetwork
        From `load_model`. A copy of it is worked with.
    device : str
        "auto" takes CUDA, then Apple's MPS, then the CPU.
    mode : {"object", "class"}
        Whether clicks outline one object at a time, or say "pixels like this".
    object_diameter : float, optional
        Diameter of the objects in pixels; estimated from the first committed one when not given.
    overlap : {"protect", "overwrite"}
        What `commit` does to pixels of objects that have a label already.
    threshold : float
        Probability above which a pixel is in the mask.
    device_bytes, host_bytes : int, optional
        Budgets of the cache of embeddings.

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
    ) -> None:
        self.options = Options(mode, object_diameter, overlap, threshold)
        if mode == "class" and model.config.head != "gp":
            raise ValueError(
                f"expected a model with a GP head for class mode, got head {model.config.head!r}; "
                "load another model"
            )
        self._runner = Runner(model, device, device_bytes, host_bytes)
        self._lock = RLock()
        self._numbers = itertools.count(1)
        self._document: Document | None = None

    def set_image(
        self,
        image: ArrayLike | Sequence[Any],
        *,
        channel_axis: int | None = None,
        channels: Sequence[int] | None = None,
        normalisation: Normalisation | None = None,
        identity: Hashable | None = None,
        labels: Array | None = None,
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
        store = LabelStore(source.shape, labels)
        with self._lock:
            self._runner.forget()
            self._document = Document(source, store, self._runner, self.options, self._numbers)

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
            return self._of_image.click(row, col, positive, z, object_id)

    def move_click(self, index: int, row: float, col: float) -> Result:
        """Move a click, given by its index in `clicks`, to another pixel of its slice.

        Raises
        ------
        ValueError
            If there is no such click, or the position is outside the image.
        """
        with self._lock:
            return self._of_image.move(index, row, col)

    def remove_click(self, index: int) -> Result:
        """Remove a click, given by its index in `clicks`.

        Raises
        ------
        ValueError
            If there is no such click.
        """
        with self._lock:
            return self._of_image.remove(index)

    def clear(self) -> Result:
        """Remove the clicks of the object (class) that is worked on, in all slices."""
        with self._lock:
            return self._of_image.clear()

    def undo(self) -> Result:
        """Take back the last click, move, removal, clearing or commit; nothing if there is none."""
        with self._lock:
            return self._of_image.undo()

    def redo(self) -> Result:
        """Do again what was undone last; nothing if there is nothing."""
        with self._lock:
            return self._of_image.redo()

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
            return self._of_image.commit(label, policy)

    def classify(self, z: int = 0) -> Array:
        """Class mode: class of every pixel of a slice, also of one without clicks.

        Parameters
        ----------
        z : int
            Slice index.

        Returns
        -------
        int32, shape (Y, X)
            0 for the background.
        """
        if self.mode != "class":
            raise ValueError("expected a session in class mode; make one with mode='class'")
        with self._lock:
            return self._of_image.classify(z)

    def prepare(self, z: int = 0) -> None:
        """Encode a slice ahead of need, so that its first click is as fast as the others."""
        self._of_image.prepare(z)

    @property
    def result(self) -> Result:
        """Result of what is worked on."""
        with self._lock:
            document = self._of_image
            return document.result or document.show(document.state.z)

    @property
    def clicks(self) -> tuple[Click, ...]:
        """Clicks of all objects that are not committed, oldest first."""
        return self._of_image.state.clicks

    @property
    def committed(self) -> tuple[Committed, ...]:
        """Committed objects with their clicks, oldest first."""
        return self._of_image.state.committed

    @property
    def labels(self) -> Array:
        """Committed labels, (Y, X) or (Z, Y, X) int32; a copy."""
        with self._lock:
            document = self._of_image
            return document.labels.stack() if document.source.is_stack else self.labels_for(0)

    def labels_for(self, z: int = 0) -> Array:
        """Committed labels of a slice, (Y, X) int32; a copy."""
        with self._lock:
            return self._of_image.labels_of(z)

    @property
    def can_undo(self) -> bool:
        """Whether there is something to take back."""
        return self._of_image.history.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether there is something to do again."""
        return self._of_image.history.can_redo

    @property
    def object_diameter(self) -> float | None:
        """Object diameter in pixels, as given or as estimated; None before the first commit."""
        return self._of_image.diameter if self._document else self.options.object_diameter

    @object_diameter.setter
    def object_diameter(self, diameter: float | None) -> None:
        check_diameter(diameter)
        with self._lock:
            self.options = replace(self.options, object_diameter=diameter)
            if self._document:
                self._document.given_diameter = diameter

    @property
    def mode(self) -> Mode:
        """Object or class mode."""
        return self.options.mode

    @property
    def device(self) -> torch.device:
        """Where the network runs now."""
        return self._runner.device

    @property
    def _of_image(self) -> Document:
        if self._document is None:
            raise ValueError("expected an image, got none yet; call set_image first")
        return self._document
