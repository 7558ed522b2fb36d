"""The fine-tune tab: layers in, a model of one's own out."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QApplication,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_gpcis.model.folders import SUFFIX, model_files, user_models_folder
from napari_gpcis.widget.finetune.curve import Curve
from napari_gpcis.widget.finetune.export import pair_of
from napari_gpcis.widget.finetune.job import FineTuneJob, Plan
from napari_gpcis.widget.finetune.layer_pairs import LayerPairs
from napari_gpcis.widget.finetune.matching import follows_edges, has_objects, match
from napari_gpcis.widget.theme import palette_of
from napari_gpcis.widget.tool.status import sentence

if TYPE_CHECKING:
    from pathlib import Path

    from napari import Viewer
    from qtpy.QtGui import QShowEvent

    from napari_gpcis.widget.finetune.export import LayerPair
    from napari_gpcis.widget.tool.tool import Tool

__all__ = ["FineTuneTab"]

_FEWEST_PAGES = 3
_NAME = re.compile(r"[\w][\w .+-]*")


class FineTuneTab(QWidget):
    """Adapts the model in use to the user's own labels.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Its image and labels layers can be chosen.
    tool : Tool, optional
        Says which model to start from, and the device.
    """

    model_made = Signal(str)
    """Name of a new model, which is in the user's models folder."""

    def __init__(self, napari_viewer: Viewer, tool: Tool | None = None) -> None:
        super().__init__()
        self._tool = tool
        self._viewer = napari_viewer
        self._output: Path | None = None
        self._seen_done: dict[str, Any] | None = None
        self._confirmed: list[str] = []
        self.job = FineTuneJob()
        self.job.exported.connect(self._show_exported)
        self.job.told.connect(self._show)
        self.job.ended.connect(self._finish)
        self._build()
        layers = napari_viewer.layers.events
        layers.inserted.connect(self._refresh)
        layers.removed.connect(self._refresh)
        self.destroyed.connect(partial(_let_go, self.job, layers, self._refresh))
        application = QApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.job.stop_now)
        self._refresh()
        self._set_running(False)

    def start(self) -> None:
        """Begin; what stands in the way is shown instead."""
        try:
            plan = self._plan()
            if self._has_doubts(plan):
                return
            self.job.start(plan)
        except ValueError as error:
            self._say(sentence(error), error=True)
            return
        self._output, self._seen_done = plan.output, None
        self._loss.clear()
        self._clicks.clear()
        self._say("")
        self._bar.setRange(0, 0)
        self._bar.setFormat("Writing the layers to files…")
        self._set_running(True)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Look at the layers anew: labels may have been drawn meanwhile."""
        super().showEvent(event)
        self._refresh()

    def cancel(self) -> None:
        """Stop; if it has become better than before, the model so far is kept."""
        self._cancel.setEnabled(False)
        self._bar.setFormat("Stopping…")
        self.job.cancel()

    def _build(self) -> None:
        self._pairs = LayerPairs()
        self._name = QLineEdit(_free_name())
        self._name.setToolTip("Under this name the model will be among the others.")
        self._minutes = QDoubleSpinBox()
        self._minutes.setRange(0.1, 1440)
        self._minutes.setDecimals(1)
        self._minutes.setValue(10)
        self._minutes.setSuffix(" min")
        self._minutes.setToolTip("Ten minutes do for a few images; hundreds deserve more.")
        self._start = QPushButton("Fine-tune")
        self._start.clicked.connect(lambda: self.start())
        self._cancel = QPushButton("Stop")
        self._cancel.clicked.connect(lambda: self.cancel())
        self._bar = QProgressBar()
        self._loss = Curve("Loss", smooth=True)
        self._clicks = Curve("Clicks to a good outline (NoC@85)")
        self._result = QLabel()
        form = QFormLayout()
        form.addRow("Name", self._name)
        form.addRow("Time", self._minutes)
        buttons = QHBoxLayout()
        buttons.addWidget(self._start)
        buttons.addWidget(self._cancel)
        intro = QLabel(
            "Adapts the model to your images. Choose images whose objects are all labelled: "
            "three or more, or a stack."
        )
        layout = QVBoxLayout(self)
        for label in (intro, self._result):
            label.setWordWrap(True)
        layout.addWidget(intro)
        layout.addWidget(self._pairs)
        layout.addLayout(form)
        layout.addLayout(buttons)
        for widget in (self._bar, self._loss, self._clicks, self._result):
            layout.addWidget(widget)
        layout.addStretch(1)

    def _refresh(self, event: object = None) -> None:
        layers = list(self._viewer.layers)
        # connecting once more does not connect twice
        for layer in layers:
            layer.events.name.connect(self._refresh)
        own = [] if self._tool is None else self._tool.switcher.own_layers
        images = [layer for layer in layers if isinstance(layer, Image) and layer not in own]
        labels = [layer for layer in layers if isinstance(layer, Labels) and layer not in own]
        labels = [layer for layer in labels if has_objects(layer)]
        self._pairs.set_layers(
            [image.name for image in images],
            [layer.name for layer in labels],
            [(image.name, layer.name) for image, layer in match(images, labels)],
        )

    def _plan(self) -> Plan:
        tool = self._tool
        return Plan(
            pairs=self._layer_pairs(),
            output=self._free_output(),
            model=tool.model.name if tool is not None else "default",
            device=tool.model.device if tool is not None else "auto",
            minutes=self._minutes.value(),
        )

    def _has_doubts(self, plan: Plan) -> bool:
        """Ask before labels are trained on that look like another image's; once for each choice."""
        try:
            doubtful = [pair.name for pair in plan.pairs if not follows_edges(pair)]
        except Exception:  # layers' data may be anything: writing them says what is wrong
            return False
        if not doubtful or doubtful == self._confirmed:
            return False
        self._confirmed = doubtful
        names = ", ".join(f"“{name}”" for name in doubtful)
        self._say(
            f"The labels of {names} follow none of its edges: are they those of another image? "
            "Choose others above, or press Fine-tune again to train on them all the same.",
            error=True,
        )
        return True

    def _layer_pairs(self) -> list[LayerPair]:
        chosen = self._pairs.chosen()
        if not chosen:
            raise ValueError("Choose an image and its labels first; add them as layers")
        pairs = [pair_of(self._viewer.layers[a], self._viewer.layers[b]) for a, b in chosen]
        pages = sum(pair.pages for pair in pairs)
        if pages < _FEWEST_PAGES:
            raise ValueError(
                f"Fine-tuning needs {_FEWEST_PAGES} images or slices at least, not {pages}: "
                "add a pair for each labelled image"
            )
        return pairs

    def _free_output(self) -> Path:
        name = self._name.text().strip()
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"“{name}” cannot be the name of a file: use letters, digits, spaces, dots and "
                "dashes"
            )
        taken = {known.casefold() for known in model_files()}
        if name.casefold() in taken:
            raise ValueError(f"A model with the name “{name}” exists already; choose another name")
        return user_models_folder() / f"{name}{SUFFIX}"

    def _set_running(self, running: bool) -> None:
        for widget in (self._pairs, self._name, self._minutes, self._start):
            widget.setEnabled(not running)
        self._cancel.setEnabled(running)
        self._bar.setVisible(running)
        for curve in (self._loss, self._clicks):
            curve.setVisible(running or bool(curve.points))

    def _show_exported(self, done: int, total: int) -> None:
        self._bar.setRange(0, total)
        self._bar.setValue(done)

    def _show(self, event: dict[str, Any]) -> None:
        kind = event.get("event")
        if kind == "start":
            self._bar.setRange(0, 0)
            self._bar.setFormat("Measuring the model as it is…")
            self._say(
                f"{event['objects']} objects of about {event['object_diameter']:.0f} px in "
                f"{event['images']} images or slices, {event['held_out']} of which are kept for "
                "the test."
            )
        elif kind == "progress":
            self._loss.add(event["step"], event["loss"])
            self._bar.setRange(0, event["steps"])
            self._bar.setValue(event["step"])
            if not self.job.cancelled:
                self._bar.setFormat(f"Step {event['step']} – {_time_left(event['left'])}")
        elif kind == "validation":
            self._clicks.add(event["step"], event["noc85"])
        elif kind == "done":
            self._seen_done = event

    def _finish(self, error: str) -> None:
        self._set_running(False)
        done, output = self._seen_done, self._output
        if done is None or output is None:
            self._say(error or "Stopped; no model was made.", error=bool(error))
            return
        if not done["improved"]:
            # the command wrote what it began with, which is here already
            with suppress(OSError):
                output.unlink()
            self._say(
                f"{_comparison(done)} That is no better than before, so no model was made. "
                "More labelled images, or more time, would help."
            )
            return
        self._say(f"{_comparison(done)} The model is “{output.stem}”.")
        self._name.setText(_free_name())
        self.model_made.emit(output.stem)

    def _say(self, text: str, *, error: bool = False) -> None:
        self._result.setText(text)
        levels = palette_of(self._viewer.theme).levels
        self._result.setStyleSheet(f"color: {levels['error']}" if error else "")
        self._result.setVisible(bool(text))


def _comparison(done: dict[str, Any]) -> str:
    before, after = done["before"], done["after"]
    stopped = "Stopped early. " if done.get("stopped") else ""
    return (
        f"{stopped}{before['objects']:.0f} objects kept for the test, before → after: "
        f"{before['noc85']:.2f} → {after['noc85']:.2f} clicks to an overlap of 85 %, "
        f"{before['noc90']:.2f} → {after['noc90']:.2f} to 90 %; "
        f"{before['iou1']:.1f} → {after['iou1']:.1f} % after one click."
    )


def _time_left(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s left"
    return f"{seconds / 60:.0f} min left"


def _free_name() -> str:
    taken = {name.casefold() for name in model_files()}
    number = 1
    while (name := f"my-model-{number}" if number > 1 else "my-model") in taken:
        number += 1
    return name


def _let_go(job: FineTuneJob, events: Any, refresh: Any) -> None:
    for emitter in (events.inserted, events.removed):
        emitter.disconnect(refresh)
    job.stop_now()
