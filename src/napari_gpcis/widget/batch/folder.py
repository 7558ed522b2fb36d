"""The form "Segment a folder": folders in and out, progress, and what failed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from magicgui.types import FileDialogMode
from magicgui.widgets import (
    CheckBox,
    ComboBox,
    Container,
    FileEdit,
    Label,
    ProgressBar,
    PushButton,
    Widget,
)
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QListWidget, QListWidgetItem, QSizePolicy, QVBoxLayout

from napari_gpcis.model.folders import model_files
from napari_gpcis.widget.batch.run import BatchThread, FolderRequest

if TYPE_CHECKING:
    from napari_gpcis.batch.job import Mode
    from napari_gpcis.io.labels.shapes import ShapeFormat
    from napari_gpcis.widget.batch.run import Result

__all__ = ["SegmentFolder"]

_MODES = [("Objects", "object"), ("Classes", "class")]
_LABELS = Qt.ItemDataRole.UserRole
# Long enough for a page to end, short enough for closing a window.
_PATIENCE_S = 20.0


class SegmentFolder(Container[Widget]):
    """Segment all images of a folder by their clicks files, while the window stays usable.

    Parameters
    ----------
    napari_viewer : napari.Viewer, optional
        Where an image and its labels are opened, from the list of results.

    Attributes
    ----------
    results : QListWidget
        What failed, with a sentence on each, and then what is done.
    """

    def __init__(self, napari_viewer: Any = None) -> None:
        self.viewer = napari_viewer
        self._thread: BatchThread | None = None
        self.images = FileEdit(
            mode=FileDialogMode.EXISTING_DIRECTORY,
            label="Images",
            tooltip="Folder of the images or stacks",
            nullable=True,
            value=None,
        )
        self.clicks = FileEdit(
            mode=FileDialogMode.EXISTING_DIRECTORY,
            label="Clicks",
            tooltip="Folder with NAME.csv for each NAME.tif; empty: beside the images. "
            "Export… in the panel, or saving a points layer, writes such files",
            nullable=True,
            value=None,
        )
        self.output = FileEdit(
            mode=FileDialogMode.EXISTING_DIRECTORY,
            label="Results",
            tooltip="Folder for NAME_labels.tif; it is made if it is not there",
            nullable=True,
            value=None,
        )
        self.mode = ComboBox(
            label="Clicks name", choices=_MODES, value="object", tooltip="Objects, or classes"
        )
        self.propagate = CheckBox(
            text="Follow objects through the slices", tooltip="From the clicked slices on"
        )
        self.model = ComboBox(label="Model", choices=lambda _: list(model_files()))
        self.table = CheckBox(text="Table", tooltip="NAME.csv: area, volume, uncertainty …")
        self.roi = CheckBox(text="ImageJ", tooltip="NAME_labels_rois.zip, for the ROI manager")
        self.geojson = CheckBox(text="QuPath", tooltip="NAME_labels.geojson")
        self.coco = CheckBox(text="COCO", tooltip="NAME_labels_coco.json")
        also = Container[Widget](
            widgets=[self.table, self.roi, self.geojson, self.coco],
            layout="horizontal",
            labels=False,
            label="Also",
        )
        also.margins = (0, 0, 0, 0)
        self.resume = CheckBox(
            text="Leave out what is done",
            value=True,
            tooltip="Images whose results are there and still hold, from an earlier run",
        )
        self.run = PushButton(text="Segment")
        self.cancel = PushButton(text="Cancel", enabled=False)
        buttons = Container[Widget](
            widgets=[self.run, self.cancel], layout="horizontal", labels=False
        )
        buttons.margins = (0, 0, 0, 0)
        self.progress = ProgressBar(value=0, max=1, visible=False)
        self.status = Label(value="")
        super().__init__(
            widgets=[
                self.images,
                self.clicks,
                self.output,
                self.mode,
                self.propagate,
                self.model,
                also,
                self.resume,
                buttons,
                self.progress,
            ]
        )
        self.results = QListWidget()
        self._add_results()
        self.run.changed.connect(self._start)
        self.cancel.changed.connect(self._cancel)
        self.mode.changed.connect(self._mode_changed)

    def _add_results(self) -> None:
        """The list, which magicgui has no widget for."""
        status = cast("QLabel", self.status.native)
        status.setWordWrap(True)
        status.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        self.results.setWordWrap(True)
        self.results.setToolTip("Double-click on an image to look at it and its labels")
        self.results.itemDoubleClicked.connect(self._open)
        self.results.hide()
        layout = cast("QVBoxLayout", self.native.layout())
        # Not one of the form's rows, which would give it half of the width.
        layout.addWidget(status)
        layout.addWidget(self.results)
        self.native.destroyed.connect(self._stop)

    @property
    def is_running(self) -> bool:
        """True while a batch is under way."""
        return self._thread is not None

    def request(self) -> FolderRequest:
        """What the form asks for.

        Raises
        ------
        ValueError
            If a folder is missing; the message is a sentence.
        """
        images, output = _folder(self.images), _folder(self.output)
        if images is None:
            raise ValueError("Choose the folder of the images first")
        if not images.is_dir():
            raise ValueError(f"There is no folder {images}: choose another")
        if output is None:
            raise ValueError("Choose a folder for the results")
        mode = cast("Mode", self.mode.value)
        shapes: dict[ShapeFormat, CheckBox] = {
            "roi": self.roi,
            "geojson": self.geojson,
            "coco": self.coco,
        }
        return FolderRequest(
            images=images,
            output=output,
            clicks=_folder(self.clicks) or images,
            mode=mode,
            propagate=bool(self.propagate.value) and mode == "object",
            model=str(self.model.value),
            also=tuple(kind for kind, box in shapes.items() if box.value),
            table=bool(self.table.value) and mode == "object",
            resume=bool(self.resume.value),
        )

    def stop_and_wait(self) -> bool:
        """Cancel what runs and wait for it; False if it has not ended in time."""
        self._stop()
        return self._thread is None or self._thread.join(_PATIENCE_S)

    def _start(self) -> None:
        if self._thread is not None:
            return
        try:
            request = self.request()
        except ValueError as error:
            self.status.value = str(error)
            return
        self._thread = BatchThread(request)
        self._thread.advanced.connect(self._advanced)
        self._thread.ended.connect(self._ended)
        self.results.clear()
        self.results.hide()
        self.status.value = "Looking for images …"
        self._show_running(True)
        self._thread.start()

    def _stop(self) -> None:
        if self._thread is not None:
            self._thread.cancel()

    def _cancel(self) -> None:
        if self._thread is not None:
            self._stop()
            self.status.value = "Stopping …"

    def _mode_changed(self, mode: str) -> None:
        """Classes are neither followed nor listed."""
        for box in (self.propagate, self.table):
            box.enabled = mode == "object"

    def _advanced(self, stage: str, done: int, total: int) -> None:
        if self._thread is None:
            return
        self.progress.max = max(total, 1)
        self.progress.value = min(done, total)
        self.status.value = f"{stage[:1].upper()}{stage[1:]}: {done} of {total}"

    def _ended(self, result: Result) -> None:
        self._thread = None
        self._show_running(False)
        self.status.value = result.said
        for name, why in result.failed:
            self.results.addItem(f"✗ {name}: {why}")
        for image, labels in result.done:
            item = QListWidgetItem(f"✓ {image.name}")
            item.setData(_LABELS, (str(image), str(labels)))
            self.results.addItem(item)
        self.results.setVisible(self.results.count() > 0)

    def _show_running(self, running: bool) -> None:
        self.run.enabled, self.cancel.enabled = not running, running
        self.progress.visible = running

    def _open(self, item: QListWidgetItem) -> None:
        """Show an image with its labels."""
        found = item.data(_LABELS)
        if found is None or self.viewer is None:
            return
        image, labels = found
        try:
            self.viewer.open(image, layer_type="image")
            self.viewer.open(labels, layer_type="labels")
        except Exception as error:
            self.status.value = f"{Path(image).name} cannot be opened here: {error}"


def _folder(edit: FileEdit) -> Path | None:
    """Folder of a field; None where it is empty."""
    value = edit.value
    if value is None or isinstance(value, tuple):
        return None
    return None if str(value) in ("", ".") else Path(value)
