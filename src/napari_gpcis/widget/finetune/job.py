"""Fine-tuning in a process of its own: layers out, `napari-gpcis finetune` run, its events in."""

from __future__ import annotations

import json
import os
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QProcess, QProcessEnvironment, QTimer, Signal

from napari_gpcis.widget.finetune.export import export

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_gpcis.widget.finetune.export import LayerPair

__all__ = ["COMMAND", "FineTuneJob", "Plan"]

COMMAND = (sys.executable, "-m", "napari_gpcis.cli", "finetune")
"""Command that is run; a test may put a program of its own in its place."""

_GRACE_MS = 60_000
_LAST_WORDS = 600


@dataclass(frozen=True, slots=True)
class Plan:
    """A wanted fine-tuning.

    Attributes
    ----------
    pairs : sequence of LayerPair
    output : Path
        Model file to write; its folder is made.
    model, device : str
        What to start from, and what to compute on.
    minutes : float
    """

    pairs: Sequence[LayerPair]
    output: Path
    model: str
    device: str
    minutes: float


class FineTuneJob(QObject):
    """One fine-tuning at a time."""

    exported = Signal(int, int)
    """Pages written and to be written."""
    told = Signal(object)
    """An event of the command: "start", "progress", "validation" or "done"."""
    ended = Signal(str)
    """The error message; empty if all went well or the run was cancelled."""
    _written = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._plan: Plan | None = None
        self._folder: TemporaryDirectory[str] | None = None
        self._stop_writing = threading.Event()
        self._process: QProcess | None = None
        self._rest = b""
        self._error = ""
        self._done = False
        self._cancelled = False
        self._written.connect(self._run_command)
        self._kill = QTimer(self)
        self._kill.setSingleShot(True)
        self._kill.setInterval(_GRACE_MS)
        self._kill.timeout.connect(self._kill_process)

    @property
    def running(self) -> bool:
        """True from the start of a run to its end."""
        return self._plan is not None

    @property
    def cancelled(self) -> bool:
        """True if the present run, or the last one, was told to stop."""
        return self._cancelled

    def start(self, plan: Plan) -> None:
        """Write the layers to a temporary folder, and then run the command on it.

        Raises
        ------
        ValueError
            If it is running already, or its folders cannot be made.
        """
        if self.running:
            raise ValueError("A fine-tuning is running already; stop it first")
        try:
            plan.output.parent.mkdir(parents=True, exist_ok=True)
            folder = TemporaryDirectory(prefix="napari-gpcis-", ignore_cleanup_errors=True)
        except OSError as error:
            raise ValueError(
                f"The folders for the model cannot be written to ({error}); free some space there"
            ) from error
        self._plan, self._folder = plan, folder
        self._rest, self._error, self._done, self._cancelled = b"", "", False, False
        self._stop_writing = threading.Event()
        threading.Thread(
            target=self._write, args=(plan, self._data, self._stop_writing), daemon=True
        ).start()

    def cancel(self) -> None:
        """Ask it to stop; the command writes its best model first, or is killed after a while."""
        self._cancelled = True
        self._stop_writing.set()
        if self._process is not None:
            self._process.terminate()
            self._kill.start()

    def stop_now(self) -> None:
        """Stop without regard to the result, as napari closes."""
        self._cancelled = True
        self._stop_writing.set()
        if self._process is not None:
            self._process.kill()
            self._process.waitForFinished(1000)

    @property
    def _data(self) -> Path:
        """Where the layers are written; the model's card calls the data so."""
        if self._plan is None or self._folder is None:
            raise ValueError("expected a fine-tuning at work, got none; start one")
        return Path(self._folder.name) / self._plan.output.stem

    def _write(self, plan: Plan, data: Path, stop: threading.Event) -> None:
        """Write the layers, on a thread of its own."""
        total = 2 * sum(pair.pages for pair in plan.pairs)
        error = ""
        # napari may be gone before the thread is
        with suppress(RuntimeError):
            try:
                for done in export(plan.pairs, data / "images", data / "labels"):
                    self.exported.emit(done, total)
                    if stop.is_set():
                        break
            except Exception as problem:  # layers' data may be anything, and so may their errors
                error = f"The layers could not be written: {problem}"
            self._written.emit(error)

    def _run_command(self, error: str) -> None:
        self._error = error
        if error or self._cancelled or self._plan is None:
            self._end()
            return
        plan, data = self._plan, self._data
        program, *arguments = COMMAND
        options = {
            "--images": data / "images",
            "--labels": data / "labels",
            "--output": plan.output,
            "--model": plan.model,
            "--device": plan.device,
            "--minutes": plan.minutes,
        }
        for option, value in options.items():
            arguments += [option, str(value)]
        process = QProcess(self)
        process.setProcessEnvironment(_environment())
        process.readyReadStandardOutput.connect(self._read)
        process.finished.connect(self._process_finished)
        process.errorOccurred.connect(self._process_failed)
        self._process = process
        process.start(program, [*arguments, "--json"])

    def _read(self) -> None:
        if self._process is None:
            return
        *lines, self._rest = (
            self._rest + bytes(self._process.readAllStandardOutput().data())
        ).split(b"\n")
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:
                continue  # a library's own words
            if isinstance(event, dict):
                self._take(event)

    def _take(self, event: dict[str, Any]) -> None:
        if event.get("event") == "error":
            self._error = str(event.get("message"))
            return
        self._done = self._done or event.get("event") == "done"
        self.told.emit(event)

    def _process_failed(self, error: QProcess.ProcessError) -> None:
        # of all errors only this one is not followed by `finished`
        if error == QProcess.ProcessError.FailedToStart and self._process is not None:
            self._error = f"{COMMAND[0]} could not be started: {self._process.errorString()}"
            self._end()

    def _process_finished(self) -> None:
        self._read()
        if self._process is not None and not (self._done or self._error or self._cancelled):
            words = bytes(self._process.readAllStandardError().data()).decode(errors="replace")
            self._error = (
                f"Fine-tuning failed (exit code {self._process.exitCode()}): "
                f"{words.strip()[-_LAST_WORDS:] or 'no message'}"
            )
        self._end()

    def _kill_process(self) -> None:
        if self._process is not None:
            self._process.kill()

    def _end(self) -> None:
        self._kill.stop()
        if self._process is not None:
            self._process.deleteLater()
        if self._folder is not None:
            self._folder.cleanup()
        self._plan = self._folder = self._process = None
        self.ended.emit("" if self._cancelled else self._error)


def _environment() -> QProcessEnvironment:
    """Ours, with a core left to napari."""
    environment = QProcessEnvironment.systemEnvironment()
    if not environment.contains("OMP_NUM_THREADS"):
        environment.insert("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 2) - 1)))
    return environment
