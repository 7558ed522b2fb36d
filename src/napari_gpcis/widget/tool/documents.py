"""The documents of a viewer, kept as long as their images are: to come back means to go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Labels

from napari_gpcis.widget.layers.arrays import check_image, holds_labels_of, image_stack
from napari_gpcis.widget.layers.clicks import ClicksLayer
from napari_gpcis.widget.layers.frame import Frame, displayed_axes
from napari_gpcis.widget.layers.preview import Preview
from napari_gpcis.widget.layers.transforms import layer_transform
from napari_gpcis.widget.tool.document_journal import DocumentJournal
from napari_gpcis.widget.tool.image_document import ImageDocument

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel
    from napari.layers import Image, Layer

    from napari_gpcis.widget.layers.outlines import Outlines
    from napari_gpcis.widget.tool.settings import Settings
    from napari_gpcis.widget.tool.types import Level, Mode


class Documents:
    """One document per image, mode and labels layer; at most one of them is open.

    The clicks layer and the preview are made once and show the open one: to add and to remove a
    layer takes napari up to half a second.

    Parameters
    ----------
    viewer : napari.Viewer
    settings : Settings
    tell : callable
        Called with (text, level) for the status line.
    """

    def __init__(
        self, viewer: ViewerModel, settings: Settings, tell: Callable[[str, Level], None]
    ) -> None:
        self.viewer = viewer
        self.settings = settings
        self.open: ImageDocument | None = None
        self._tell = tell
        self._known: list[ImageDocument] = []  # the one that was open last at the end
        self._channels: dict[Image, tuple[int, ...]] = {}
        self._channel_axes: dict[Image, int | None] = {}  # as the user says
        self._shared: tuple[Preview, ClicksLayer] | None = None
        self.outlines: Outlines | None = None

    @property
    def own_layers(self) -> list[Layer]:
        """The layers that show the open document, without its labels."""
        outlines = None if self.outlines is None else self.outlines.layer
        shown = [] if outlines is None else [outlines]
        if self._shared is None:
            return shown
        preview, clicks = self._shared
        return [*shown, preview.layer, clicks.layer]

    def open_or_raise(self) -> ImageDocument:
        """The open document.

        Raises
        ------
        ValueError
            If none is open.
        """
        if self.open is None:
            raise ValueError("Open an image first, or choose one above")
        return self.open

    def frame_of(self, image: Image) -> Frame:
        """Where an image's slices are, as the viewer shows it and the user says."""
        if image not in self._channel_axes:
            return Frame.of_layer(image, self.viewer)
        sizes = tuple(image.data.shape)[: image.ndim]
        displayed = displayed_axes(self.viewer.dims.order, image.ndim)
        axis = self._channel_axes[image]
        return Frame.of(sizes, displayed, None if axis in displayed else axis)

    def channels_of(self, image: Image) -> tuple[int, ...]:
        """Channels that the model sees of an image; empty for all."""
        return self._channels.get(image, ())

    def choose_channels(self, image: Image, channels: tuple[int, ...]) -> None:
        """Choose the channels that the model sees of an image."""
        self._channels[image] = channels

    def say_channel_axis(self, image: Image, axis: int | None) -> None:
        """Say which axis of an image holds channels; None: none does."""
        self._channel_axes[image] = axis
        self._channels.pop(image, None)

    def is_said(self, image: Image) -> bool:
        """True if the user has said which axis holds channels."""
        return image in self._channel_axes

    def find(self, image: Image, mode: Mode, labels: Labels | None = None) -> ImageDocument | None:
        """Document of an image and mode that is known: of a labels layer, or the last one.

        None where the viewer shows another plane than the one it was begun in, unless it has
        clicks there.
        """
        for known in reversed(self._known):
            if known.image is not image or known.mode != mode:
                continue
            if labels is None or known.labels is labels:
                as_shown = known.frame == self.frame_of(image)
                return known if as_shown or known.annotation.state.objects() else None
        return None

    def make(self, image: Image, mode: Mode, labels: Labels | None = None) -> ImageDocument:
        """Make a document of an image, on a labels layer or on a new one.

        Raises
        ------
        ValueError
            If the image cannot be segmented. Nothing is changed then.
        """
        check_image(image)
        frame = self.frame_of(image)
        image_stack(image, frame)  # refuses what the engine would refuse
        self._close_of_other_planes(image, mode, labels, frame)
        beside = self.settings.journal == "beside the image"
        journal = DocumentJournal(image, frame, mode, beside=beside, tell=self._tell)
        preview, clicks = self._views(frame, image)
        document = ImageDocument(
            self.viewer, image, frame, mode, labels, journal, preview, clicks, self._tell
        )
        self._known.append(document)
        return document

    def enter(self, document: ImageDocument) -> None:
        """Open a document, in place of the one that is open."""
        self.leave()
        self._known.remove(document)
        self._known.append(document)
        self.open = document
        document.enter(*self._views(document.frame, document.image))

    def leave(self, *, for_good: bool = False) -> None:
        """Let no document be open."""
        if self.open is not None:
            self.open.leave(for_good=for_good)
            self.open = None

    def forget(self, image: Layer) -> None:
        """Close the documents of an image that is gone; their labels stay."""
        for document in [known for known in self._known if known.image is image]:
            self.close(document)
        self._channel_axes.pop(image, None)
        self._channels.pop(image, None)

    def close(self, document: ImageDocument) -> None:
        """Close a document for good."""
        if document is self.open:
            self.leave(for_good=True)
        self._known.remove(document)
        document.close()

    def close_all(self) -> None:
        """Close all of them, and take the shared layers away."""
        self.leave(for_good=True)
        for document in list(self._known):
            self.close(document)
        self.remove_shared_layers()

    def remove_shared_layers(self) -> None:
        """Take the clicks layer and the preview out of the viewer."""
        if self.outlines is not None:
            self.outlines.remove()
        for layer in self.own_layers:
            if layer in self.viewer.layers:
                self.viewer.layers.remove(layer)
        if self._shared is not None:
            self._shared[1].close()
            self._shared = None

    def writes_to(self, labels: Labels) -> bool:
        """True if a known document writes to a labels layer."""
        return any(known.labels is labels for known in self._known)

    def labels_in_use(self, image: Image) -> list[Labels]:
        """Labels layers that documents of other images write to."""
        return [known.labels for known in self._known if known.image is not image]

    def candidates(self, image: Image, mode: Mode) -> tuple[list[Labels], list[Labels]]:
        """Labels layers in which the work on an image can go on.

        Returns
        -------
        saved : list of Labels
            Those that the tool wrote, in this mode, the newest first.
        plain : list of Labels
            Others that fit, which hold no classes as far as is known.
        """
        frame = self.frame_of(image)
        used, saved, plain = self.labels_in_use(image), [], []
        for layer in reversed(self.viewer.layers):
            if not isinstance(layer, Labels) or layer in self.own_layers or layer in used:
                continue
            if not holds_labels_of(layer, frame):
                continue
            metadata = layer.metadata.get("gpcis")
            if not isinstance(metadata, dict):
                plain.append(layer)
            elif metadata.get("mode", "object") == mode:
                # what was read from a file may be of an image that had another name there
                if layer.source.path or metadata.get("image") in (None, "", image.name):
                    saved.append(layer)
        return saved, plain if mode == "object" else []

    def _views(self, frame: Frame, image: Layer) -> tuple[Preview, ClicksLayer]:
        """The shared layers; napari cannot give points another number of axes."""
        if self._shared is not None and self._shared[0].frame.ndim != frame.ndim:
            self.remove_shared_layers()
        if self._shared is None:
            transform = layer_transform(image, frame)
            self._shared = Preview(frame, transform), ClicksLayer(frame, transform)
        return self._shared

    def _close_of_other_planes(
        self, image: Image, mode: Mode, labels: Labels | None, frame: Frame
    ) -> None:
        for known in list(self._known):
            same = known.image is image and known.mode == mode and known.frame != frame
            if same and (labels is None or known.labels is labels):
                self.close(known)
