"""What the user chooses: image, labels, mode, model, device, and how masks are made and shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels
from qtpy.QtCore import QObject, Signal

from napari_gpcis.engine.geometry import equivalent_diameter
from napari_gpcis.engine.options import Options, check_diameter
from napari_gpcis.widget.layers import overlays
from napari_gpcis.widget.tool.class_list import ClassList
from napari_gpcis.widget.tool.settings import read_settings
from napari_gpcis.widget.tool.types import ModelInfo

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_gpcis.widget.tool.engine_thread import Loaded
    from napari_gpcis.widget.tool.image_document import ImageDocument
    from napari_gpcis.widget.tool.types import ClassInfo, Mode, Overlap

CHANNEL_NAMES = ("red", "green", "blue")


class ToolOptions(QObject):
    """The tool's properties and their setters; each setter raises ValueError with a remedy.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    changed = Signal()

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__()
        self.viewer = viewer
        self.settings, self.settings_warnings = read_settings()
        self._desk: ImageDocument | None = None
        self._image: Image | None = None
        self._mode: Mode = "object"
        self._labels: dict[str, Labels | None] = {"object": None, "class": None}
        self._channels: tuple[int, ...] = ()
        self._diameter: float | None = None
        self._threshold = 0.5
        self._overlap: Overlap = self.settings.overlap
        self._overlays = dict.fromkeys(overlays.NAMES, False)
        self._overlays[overlays.NEXT] = self.settings.next_click
        self._classes = ClassList()
        self._active = True
        self._model = "default"
        self._device = self.settings.device
        self._loaded: Loaded | None = None

    # image and labels

    @property
    def images(self) -> list[str]:
        """Names of the image layers."""
        return [layer.name for layer in self._image_layers()]

    @property
    def image(self) -> str | None:
        """The image layer that clicks are taken on."""
        return None if self._image is None else str(self._image.name)

    def set_image(self, name: str) -> None:
        """Take clicks on another image layer."""
        self._image = self._named(name, self._image_layers(), "image")
        self._channels = ()
        self._labels = {"object": None, "class": None}
        self.open_image()

    @property
    def label_layers(self) -> list[str]:
        """Names of the labels layers that fit the image."""
        return [layer.name for layer in self._fitting_labels()]

    @property
    def labels_layer(self) -> str | None:
        """The labels layer written to."""
        return None if self._desk is None else str(self._desk.labels.name)

    def set_labels_layer(self, name: str | None) -> None:
        """Write to another labels layer; None: to a new one."""
        chosen = None if name is None else self._named(name, self._all_labels(), "labels")
        if chosen is not None and self._desk is not None:
            self._desk.check_labels(chosen)
        if self._desk is not None and chosen is self._desk.labels:
            return
        self._labels[self._mode] = chosen
        self.open_image()

    @property
    def channels(self) -> list[str]:
        """Names of the image's channels; none without a channel axis."""
        if self._image is None or self._desk is None:
            return []
        frame = self._desk.frame
        if self._image.rgb:
            return list(CHANNEL_NAMES)
        count = 0 if frame.channel_axis is None else frame.sizes[frame.channel_axis]
        return [f"channel {index}" for index in range(count)]

    @property
    def chosen_channels(self) -> tuple[int, ...]:
        """Indices of the channels that the model sees."""
        return self._channels or tuple(range(len(self.channels)))

    def set_channels(self, indices: tuple[int, ...]) -> None:
        """Choose the channels that the model sees."""
        if not indices:
            raise ValueError("expected at least one channel, got none; tick one")
        self._channels = tuple(indices)
        self.reopen_engine()
        self.changed.emit()

    @property
    def mode(self) -> Mode:
        """Whether clicks outline objects or name classes."""
        return self._mode

    def set_mode(self, mode: Mode) -> None:
        """Outline objects or name classes."""
        Options(mode)
        if mode == "class" and self._loaded is not None and not self._loaded.has_gp:
            raise ValueError("expected a model with a GP head for classes; choose another model")
        if mode != self._mode:
            self._mode = mode
            self.open_image()

    # how masks are made

    @property
    def object_diameter(self) -> float | None:
        """Diameter of an object in px; None: estimated from the first object."""
        return self._diameter

    def set_object_diameter(self, px: float | None) -> None:
        """Give the diameter of an object in px; None: estimate it from the first object."""
        check_diameter(px)
        if px != self._diameter:
            self._diameter = px
            self.apply_options(object_diameter=px)

    def estimate_diameter(self) -> None:
        """Measure the diameter on the object that is worked on, or on those in the labels."""
        areas = self._areas()
        if not areas:
            raise ValueError(
                "expected an object to measure, got none yet; click on one, then estimate"
            )
        self.set_object_diameter(round(equivalent_diameter(float(np.median(areas))), 1))

    @property
    def threshold(self) -> float:
        """Probability from which a pixel belongs to the object."""
        return self._threshold

    def set_threshold(self, p: float) -> None:
        """Set the probability from which a pixel belongs to the object."""
        Options(threshold=p)
        if p != self._threshold:
            self._threshold = p
            self.apply_options(threshold=p)

    @property
    def overlap(self) -> Overlap:
        """What a commit does with the pixels of other objects."""
        return self._overlap

    def set_overlap(self, overlap: Overlap) -> None:
        """Say what a commit does with the pixels of other objects."""
        Options(overlap=overlap)
        self._overlap = overlap
        self.changed.emit()

    # model and device

    @property
    def models(self) -> list[ModelInfo]:
        """The models to choose from."""
        from napari_gpcis.model.folders import model_files

        known = [ModelInfo(name, name, str(path)) for name, path in model_files().items()]
        if self._model not in [info.name for info in known]:
            known.append(ModelInfo(self._model, self._model, self._model))
        return known

    @property
    def model(self) -> str:
        """Name or path of the model in use."""
        return self._model

    @property
    def model_card(self) -> str:
        """The model's card in Markdown; empty while it is loading."""
        return "" if self._loaded is None else self._loaded.card

    def set_model(self, name_or_path: str) -> None:
        """Use another model."""
        if name_or_path != self._model:
            self.load(name_or_path, self._device)

    @property
    def devices(self) -> list[str]:
        """The devices to choose from, "auto" first."""
        return ["auto", "cpu"] if self._loaded is None else self._loaded.devices

    @property
    def device(self) -> str:
        """The device asked for."""
        return self._device

    @property
    def device_in_use(self) -> str:
        """The device that computes; empty before a model is loaded."""
        return "" if self._loaded is None else self._loaded.device

    def set_device(self, name: str) -> None:
        """Compute on another device."""
        if name != self._device:
            self.load(self._model, name)

    @property
    def ready(self) -> bool:
        """Whether the model is loaded."""
        return self._loaded is not None

    # what is shown

    @property
    def overlays(self) -> dict[str, bool]:
        """The maps that can be shown over the image, and whether they are."""
        return dict(self._overlays)

    def set_overlay(self, name: str, on: bool) -> None:
        """Show or hide a map over the image."""
        if name not in self._overlays:
            raise ValueError(f"expected one of {', '.join(self._overlays)}, got {name!r}")
        self._overlays[name] = on
        self.ask_extras()
        self.changed.emit()

    # classes

    @property
    def classes(self) -> list[ClassInfo]:
        """The classes of class mode."""
        return self._classes.all

    @property
    def active_class(self) -> int:
        """Number of the class that clicks are given."""
        if self._desk is None or self._mode != "class":
            return self.classes[0].number
        return self._desk.annotation.state.active

    def set_active_class(self, number: int) -> None:
        """Choose the class that clicks are given."""
        if number not in [item.number for item in self.classes]:
            raise ValueError(f"expected one of the classes, got {number}; add it first")
        if self._desk is not None and self._mode == "class":
            self._desk.annotation.choose(number)
            self._desk.show()
        self.changed.emit()

    def add_class(self) -> None:
        """Add a class, and give it the clicks to come."""
        number = self._classes.add()
        self.classes_changed()
        self.set_active_class(number)

    def rename_class(self, number: int, name: str) -> None:
        """Rename a class."""
        self._classes.rename(number, name)
        self.classes_changed()

    def recolor_class(self, number: int, color: str) -> None:
        """Give a class another colour, "#rrggbb"."""
        self._classes.recolor(number, color)
        self.classes_changed()

    def remove_class(self, number: int) -> None:
        """Remove a class and its clicks; undo brings the clicks back."""
        self._classes.remove(number)
        desk = self._desk
        if desk is not None and self._mode == "class":
            rest = [click for click in desk.annotation.state.clicks if click.object_id != number]
            desk.annotation.choose(self.classes[0].number)
            desk.annotation.set_clicks(rest)
        self.classes_changed()

    # what the tool itself does about it

    def open_image(self) -> None:
        """Begin on the chosen image, in the chosen mode."""
        raise NotImplementedError

    def reopen_engine(self) -> None:
        """Give the engine the image anew."""
        raise NotImplementedError

    def apply_options(self, **options: Any) -> None:
        """Give the engine options, and ask it again."""
        raise NotImplementedError

    def load(self, model: str, device: str) -> None:
        """Load a model on a device."""
        raise NotImplementedError

    def ask_extras(self) -> None:
        """Ask for the overlays of what is shown."""
        raise NotImplementedError

    def classes_changed(self) -> None:
        """Show other names and colours."""
        raise NotImplementedError

    def _image_layers(self) -> list[Image]:
        own = [] if self._desk is None else self._desk_layers()
        return [
            layer for layer in self.viewer.layers if isinstance(layer, Image) and layer not in own
        ]

    def _desk_layers(self) -> list[Any]:
        raise NotImplementedError

    def _all_labels(self) -> list[Labels]:
        own = None if self._desk is None else self._desk.preview.layer
        layers = self.viewer.layers
        return [layer for layer in layers if isinstance(layer, Labels) and layer is not own]

    def _fitting_labels(self) -> list[Labels]:
        desk = self._desk
        return [layer for layer in self._all_labels() if desk is not None and desk.fits(layer)]

    def _named(self, name: str, layers: list[Any], kind: str) -> Any:
        for layer in layers:
            if layer.name == name:
                return layer
        raise ValueError(
            f"expected the name of an {kind} layer, got {name!r}; choose one in the list"
        )

    def _areas(self) -> list[int]:
        """Pixels of the object that is worked on, or else of those that are committed."""
        if self._desk is None or self._mode != "object":
            return []
        annotation = self._desk.annotation
        state = annotation.state
        masks = [state.mask_of(state.active, z) for z in state.slices_of(state.active)]
        areas = [int(mask[1].sum()) for mask in masks if mask is not None]
        if any(areas):
            return [max(areas)]
        for done in state.committed:
            own = [annotation.labels.of_box(z, box) == done.label for z, box in done.places]
            areas += [max(int(mask.sum()) for mask in own)] if own else []
        return [area for area in areas if area]
