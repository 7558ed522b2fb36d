"""Which image is worked on, and in which labels layer: what the user selects, opens and removes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels, Points
from qtpy.QtCore import QObject, QTimer, Signal

from napari_gpcis.widget.layers.clicks import NAME as CLICKS_NAME
from napari_gpcis.widget.tool.saved_clicks import are_saved_clicks, clicks_to_add

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_gpcis.widget.tool.action_queue import ActionQueue
    from napari_gpcis.widget.tool.answer_loop import AnswerLoop
    from napari_gpcis.widget.tool.documents import Documents
    from napari_gpcis.widget.tool.image_document import ImageDocument
    from napari_gpcis.widget.tool.options import ToolOptions
    from napari_gpcis.widget.tool.status import StatusReporter
    from napari_gpcis.widget.tool.viewer_events import ViewerEvents


class ImageSwitcher(QObject):
    """Opens documents, and lets the answer loop and the viewer's events follow.

    Parameters
    ----------
    viewer : napari.Viewer
    options : ToolOptions
    documents : Documents
    loop : AnswerLoop
    events : ViewerEvents
    reporter : StatusReporter
    queue : ActionQueue
    parent : QObject, optional
    """

    opened = Signal()
    """Another document is open."""
    leaving = Signal()
    """The image is going: nothing more will be answered about it."""

    def __init__(
        self,
        viewer: ViewerModel,
        options: ToolOptions,
        documents: Documents,
        loop: AnswerLoop,
        events: ViewerEvents,
        reporter: StatusReporter,
        queue: ActionQueue,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.options = options
        self.documents = documents
        self.loop = loop
        self.events = events
        self.reporter = reporter
        self.image: Image | None = None
        self._queue = queue
        self._closed = False
        events.image_selected.connect(self._image_selected)
        events.layer_added.connect(self._layer_added)
        events.layer_removed.connect(self._layer_removed)
        events.image_removed.connect(self._image_removed)
        events.image_data_changed.connect(self._image_data_changed)

    @property
    def own_layers(self) -> list[Layer]:
        """Layers that only show what the tool does: clicks, preview, overlays."""
        document = self.documents.open
        labels = None if document is None else document.labels
        shown = [layer for layer in self.loop.layers if layer is not labels]
        return [*shown, *self.documents.own_layers]

    @property
    def image_layers(self) -> list[Image]:
        """The image layers that can be worked on."""
        own = self.loop.layers
        return [
            layer for layer in self.viewer.layers if isinstance(layer, Image) and layer not in own
        ]

    @property
    def label_layers(self) -> list[Labels]:
        """The labels layers, without the tool's preview."""
        own = self.documents.own_layers
        layers = self.viewer.layers
        return [layer for layer in layers if isinstance(layer, Labels) and layer not in own]

    # what the user chooses by name

    @property
    def image_names(self) -> list[str]:
        """Names of the image layers."""
        return [layer.name for layer in self.image_layers]

    @property
    def image_name(self) -> str | None:
        """Name of the image layer that clicks are taken on."""
        return None if self.image is None else str(self.image.name)

    def choose_image(self, name: str) -> None:
        """Take clicks on another image layer."""
        image = _named(name, self.image_layers, "image")
        self._queue.do(lambda: self.open(image))
        self.select_clicks()

    @property
    def labels_names(self) -> list[str]:
        """Names of the labels layers that fit the image."""
        document = self.documents.open
        if document is None:
            return []
        return [layer.name for layer in self.label_layers if document.fits(layer)]

    @property
    def labels_name(self) -> str | None:
        """Name of the labels layer written to."""
        document = self.documents.open
        return None if document is None else str(document.labels.name)

    def choose_labels(self, name: str | None) -> None:
        """Write to another labels layer; None: to a new one."""
        chosen = None if name is None else _named(name, self.label_layers, "labels")
        document = self.documents.open
        if chosen is not None and document is not None:
            document.check_labels(chosen)
        if document is not None and chosen is document.labels:
            return
        self._queue.do(lambda: self._open_on(chosen))
        self.select_clicks()

    def _open_on(self, labels: Labels | None) -> None:
        if self.image is not None:
            self.open(self.image, labels, new=labels is None)

    # what is open

    def open(self, image: Image, labels: Labels | None = None, *, new: bool = False) -> None:
        """Go on in a document of an image, in the present mode.

        Parameters
        ----------
        image : Image
            What is segmented.
        labels : Labels, optional
            Layer that is written to; the last one, or one that fits, when not given.
        new : bool
            Whether to write to a new one.

        Raises
        ------
        ValueError
            If the image cannot be segmented. Nothing is changed then.
        """
        documents, mode = self.documents, self.options.mode
        document = None if new else documents.find(image, mode, labels)
        if document is None:
            if labels is None and not new:
                labels = self._labels_to_go_on_in(image)
            document = documents.make(image, mode, labels)
        if document is documents.open:
            return
        switched = self.image is not None and image is not self.image
        self.loop.leave(for_another=True)
        self.image = image
        self.options.channels = documents.channels_of(image)
        documents.enter(document)
        self.loop.open(document)
        self.events.follow(image)
        self.opened.emit()
        self.loop.reopen(keep_answers=True)
        self.loop.tell_ready()
        self._uncover(image)
        if switched:
            self.reporter.prefix(f"Working on “{image.name}”")
        self.reporter.announce()
        self._later(self._go_on_with_saved_work)

    def leave(self) -> None:
        """Work on no image; its documents are kept."""
        self.loop.leave()
        self.documents.leave(for_good=True)

    def close(self) -> None:
        """Close all documents."""
        self._closed = True
        self.leave()
        self.documents.close_all()

    def choose(self) -> None:
        """Take the selected image layer, or the topmost one.

        Raises
        ------
        ValueError
            If there is none, or it cannot be segmented.
        """
        candidates = self.image_layers
        active = self.viewer.layers.selection.active
        chosen = active if active in candidates else next(iter(reversed(candidates)), None)
        if chosen is None:
            raise ValueError("Open an image first")
        self.open(chosen)
        self.select_clicks()

    def choose_if_any(self) -> None:
        """Take an image layer, if there is one and none is worked on."""
        if self.image is None and self.image_layers:
            self.reporter.attempt(self.choose)

    def select_clicks(self) -> None:
        """Make the clicks layer the selected one, so that keys reach the tool."""
        # later: napari selects a new image only after it has told of it
        self._later(self._select_clicks)

    def _select_clicks(self) -> None:
        if self.documents.open is not None:
            self.documents.open.select()

    def follow_plane(self) -> None:
        """Work in the plane that is shown, unless that would cost clicks."""
        document = self.documents.open
        if document is None or self.viewer.dims.ndisplay != 2 or document.is_shown:
            return
        if document.annotation.state.objects():
            self.reporter.tell(
                "Another plane is shown than the one that you clicked in: commit or clear the "
                "object to go on here",
                "warning",
            )
        else:
            self.reporter.attempt(lambda: self.open(document.image, document.labels))

    def _uncover(self, image: Image) -> None:
        """Show an image, and hide others that lie over it: nobody clicks on what is not seen."""
        layers = list(self.viewer.layers)
        others = [layer for layer in self.image_layers if layer is not image]
        for other in others:
            above = layers.index(other) > layers.index(image)
            opaque = str(other.blending) in ("translucent", "opaque", "translucent_no_depth")
            if above and opaque and other.opacity > 0.9 and other.visible:
                other.visible = False
        image.visible = True

    def _labels_to_go_on_in(self, image: Image) -> Labels | None:
        """The labels layer that the tool wrote earlier, or the only other one that fits."""
        saved, plain = self.documents.candidates(image, self.options.mode)
        if saved or len(plain) == 1:
            return (saved or plain)[0]
        if plain:
            self.reporter.ask(
                "Several labels layers fit this image: choose one under Options to go on in it"
            )
        return None

    def _go_on_with_saved_work(self) -> None:
        """Take over labels and clicks that were opened from files, whenever they were."""
        if self.documents.open is not None:
            self._queue.do(self._take_over_labels)
            self._queue.do(self._take_over_clicks)

    def _take_over_labels(self) -> None:
        document = self.documents.open
        if document is None:
            return
        for mode in (self.options.mode, "class" if self.options.mode == "object" else "object"):
            saved, plain = self.documents.candidates(document.image, mode)
            saved = [layer for layer in saved if not self.documents.writes_to(layer)]
            found = saved or (plain if len(plain) == 1 else [])  # of several, the user chooses
            if not found or self.documents.writes_to(found[0]):
                continue
            layer = found[0]
            if document.is_untouched:
                before, self.options.mode = self.options.mode, mode
                self.open(document.image, layer)
                if before == mode:
                    self._discard(document)
            elif layer in saved and mode == document.mode and layer.source.path:
                self._explain_or_drop(layer, document)
            return

    def _discard(self, document: ImageDocument) -> None:
        """Close an untouched document, and take its empty labels away."""
        self.documents.close(document)
        labels, own = document.labels, document.made_labels
        if own and labels in self.viewer.layers and not self.documents.writes_to(labels):
            self.viewer.layers.remove(labels)

    def _explain_or_drop(self, layer: Labels, document: ImageDocument) -> None:
        """Saved labels were opened when there was work already: the same, or another."""
        if np.array_equal(layer.data, document.labels.data):
            self.viewer.layers.remove(layer)
        else:
            self.reporter.tell(
                f"“{layer.name}” holds other work than the present one: choose it under Options "
                "to go on in it",
                "warning",
            )

    def _take_over_clicks(self) -> None:
        document = self.documents.open
        if document is None:
            return
        for layer in [layer for layer in self.viewer.layers if isinstance(layer, Points)]:
            if not are_saved_clicks(layer, document):
                continue
            state = document.annotation.state
            new = clicks_to_add(layer, document)
            if new:
                last = new[-1]
                clicks = [*state.clicks, *new]
                document.annotation.set_clicks(clicks, active=last.object_id, z=last.z)
                document.go_to_slice(last.z)
            self.viewer.layers.remove(layer)
            document.clicks.layer.name = CLICKS_NAME  # which the other one had

    # what happens in the viewer

    def _image_selected(self, _: Image) -> None:
        # later: napari selects layers while it adds them, ours too
        self._later(self._follow_selection)

    def _follow_selection(self) -> None:
        """Work on the image that the user selects in the list of layers."""
        active = self.viewer.layers.selection.active
        if active is not self.image and active in self.image_layers:
            self._queue.do(lambda: self.open(active))

    def _layer_added(self, layer: Layer) -> None:
        if isinstance(layer, Image):
            if layer not in self.loop.layers:
                self.choose_if_any()
        elif isinstance(layer, (Labels, Points)) and layer not in self.documents.own_layers:
            self._later(self._go_on_with_saved_work)

    def _image_removed(self, image: Image) -> None:
        self.leaving.emit()
        self.image = None
        self.leave()
        self.documents.forget(image)
        self.reporter.tell(
            "The image was removed; its labels stay. Choose another image", "warning"
        )
        self.choose_if_any()
        if self.image is None:
            self.documents.remove_shared_layers()

    def _layer_removed(self, layer: Layer) -> None:
        self.documents.forget(layer)
        document = self.documents.open
        if document is not None and layer in document.layers:
            self.reporter.tell(
                f"“{layer.name}” was removed; nothing is lost, it comes back with the next click",
                "warning",
            )

    def _image_data_changed(self) -> None:
        """Another array in the same layer: the clicks stay where it has the same shape."""
        document = self.documents.open
        if document is None:
            return
        image: Any = document.image
        data = image.data[0] if image.multiscale else image.data
        if document.frame.fits(data.shape, rgb=bool(image.rgb)):
            self.loop.reopen()
            return
        self.leaving.emit()
        self.loop.leave(for_another=True)
        self.documents.forget(image)
        self.reporter.attempt(lambda: self.open(image))
        self.reporter.tell("The image has another shape now: began anew on it", "warning")

    def _later(self, action: Callable[[], object]) -> None:
        """Do something when napari is done with what it is at."""

        def act() -> None:
            if not self._closed:
                self.reporter.attempt(action)

        QTimer.singleShot(0, act)


def _named(name: str, layers: list[Any], kind: str) -> Any:
    for layer in layers:
        if layer.name == name:
            return layer
    raise ValueError(f"There is no {kind} layer “{name}” any more; choose one in the list")
