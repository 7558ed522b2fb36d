"""A tool without napari: it keeps what the panel asks for, and can be told to refuse."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from qtpy.QtCore import QObject, Signal

from napari_gpcis.widget.tool.types import ClassInfo, ModelInfo, Restorable, Status

OVERLAYS = ("probability", "uncertainty", "prior", "update", "next click")


class FakeTool(QObject):
    """Set any attribute, then emit `changed`. `calls` holds what the panel asked for."""

    changed = Signal()
    help_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, ...]] = []
        self.refusal = ""  # the message with which everything is refused
        self.images, self.image = ["embryo", "nuclei"], "embryo"
        self.label_layers, self.labels_layer = ["GPCIS labels", "old labels"], "GPCIS labels"
        self.channels: list[str] = []
        self.chosen_channels: tuple[int, ...] = (0,)
        self.mode = "object"
        self.object_diameter: float | None = None
        self.models = [
            ModelInfo("default", "Default (ResNet-18, cached)", "default.safetensors"),
            ModelInfo("paper", "Paper (ResNet-50)", "paper.safetensors"),
        ]
        self.model = "default"
        self.model_card = "# Default\n\nTrained on [DSB2018](https://bbbc.broadinstitute.org)."
        self.devices, self.device, self.device_in_use = ["auto", "cpu", "cuda:0"], "auto", "cpu"
        self.threshold, self.overlap = 0.5, "protect"
        self.overlays = dict.fromkeys(OVERLAYS, False)
        self.classes = [ClassInfo(1, "nucleus", "#56b4e9"), ClassInfo(2, "background", "#e69f00")]
        self.active_class = 1
        self.active = True
        self.status = Status("Click on an object")
        self.ready = True
        self.click_counts, self.object_count = (3, 1), 2
        self.can_undo = self.can_redo = self.can_commit = self.can_propagate = True
        self.can_cancel = False
        self.restorable: Restorable | None = None

    def _take(self, *call: Any, **values: Any) -> None:
        self.calls.append(call)
        if self.refusal:
            raise ValueError(self.refusal)
        for name, value in values.items():
            setattr(self, name, value)
        self.changed.emit()

    def set_image(self, name: str) -> None:
        self._take("set_image", name, image=name)

    def set_labels_layer(self, name: str | None) -> None:
        self._take("set_labels_layer", name, labels_layer=name)

    def set_channels(self, indices: tuple[int, ...]) -> None:
        self._take("set_channels", indices, chosen_channels=indices)

    def set_mode(self, mode: str) -> None:
        self._take("set_mode", mode, mode=mode)

    def set_object_diameter(self, px: float | None) -> None:
        self._take("set_object_diameter", px, object_diameter=px)

    def estimate_diameter(self) -> None:
        self._take("estimate_diameter", object_diameter=42.0)

    def set_model(self, name_or_path: str) -> None:
        self._take("set_model", name_or_path, model=name_or_path)

    def set_device(self, name: str) -> None:
        self._take("set_device", name, device=name)

    def set_threshold(self, p: float) -> None:
        self._take("set_threshold", p, threshold=p)

    def set_overlap(self, overlap: str) -> None:
        self._take("set_overlap", overlap, overlap=overlap)

    def set_overlay(self, name: str, on: bool) -> None:
        self._take("set_overlay", name, on, overlays=self.overlays | {name: on})

    def set_active_class(self, number: int) -> None:
        self._take("set_active_class", number, active_class=number)

    def add_class(self) -> None:
        number = max((info.number for info in self.classes), default=0) + 1
        added = ClassInfo(number, f"class {number}", "#009e73")
        self._take("add_class", classes=[*self.classes, added], active_class=number)

    def rename_class(self, number: int, name: str) -> None:
        self._take("rename_class", number, name, classes=self._with(number, name=name))

    def recolor_class(self, number: int, color: str) -> None:
        self._take("recolor_class", number, color, classes=self._with(number, color=color))

    def remove_class(self, number: int) -> None:
        left = [info for info in self.classes if info.number != number]
        self._take("remove_class", number, classes=left, active_class=left[0].number if left else 0)

    def _with(self, number: int, **change: str) -> list[ClassInfo]:
        return [replace(i, **change) if i.number == number else i for i in self.classes]

    def set_active(self, active: bool) -> None:
        self._take("set_active", active, active=active)

    def commit(self) -> None:
        self._take("commit", object_count=self.object_count + 1, click_counts=(0, 0))

    def clear(self) -> None:
        self._take("clear", click_counts=(0, 0))

    def new_object(self) -> None:
        self._take("new_object", click_counts=(0, 0))

    def undo(self) -> None:
        self._take("undo")

    def redo(self) -> None:
        self._take("redo")

    def jump_to_next(self) -> None:
        self._take("jump_to_next")

    def swap_sign(self) -> None:
        self._take("swap_sign")

    def propagate(self, direction: str = "both") -> None:
        self._take("propagate", direction)

    def apply_to_all(self) -> None:
        self._take("apply_to_all")

    def cancel(self) -> None:
        self._take("cancel", can_cancel=False)

    def export(self, path: str) -> None:
        self._take("export", path)

    def restore(self) -> None:
        self._take("restore", restorable=None)

    def discard_restorable(self) -> None:
        self._take("discard_restorable", restorable=None)

    def close(self) -> None:
        self.calls.append(("close",))
