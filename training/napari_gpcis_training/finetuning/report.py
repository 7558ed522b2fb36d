"""Reporting of `napari-gpcis finetune`: to people, or to programs as JSON lines."""

from __future__ import annotations

import json
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table

from napari_gpcis_training.finetuning.record import CAVEAT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import TaskID

    Event = dict[str, Any]
    OnEvent = Callable[[Event], None]

_FIGURES = {
    "noc85": "clicks to 85 % (NoC@85)",
    "noc90": "clicks to 90 % (NoC@90)",
    "iou1": "overlap after 1 click, % (IoU&1)",
}


@contextmanager
def reporting(as_json: bool) -> Iterator[OnEvent]:
    """Give what takes the events of a run, and turn its errors into a message and an exit code.

    SIGTERM comes to the block as a KeyboardInterrupt, like SIGINT.
    """
    on_event: OnEvent
    with _terminating_as_interrupt():
        if as_json:
            on_event, fail = _print_json, _fail_in_json
            yield from _guarded(on_event, fail)
            return
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[left]}"),
            console=Console(stderr=True),
            transient=True,
        ) as bar:
            yield from _guarded(_Screen(bar), _fail_in_words)


def _guarded(on_event: OnEvent, fail: Callable[..., None]) -> Iterator[OnEvent]:
    try:
        yield on_event
    except ValueError as error:
        kept = getattr(error, "kept", None)
        fail(str(error), **({"kept": str(kept)} if kept else {}))
        raise typer.Exit(2) from error
    except KeyboardInterrupt:
        fail("stopped before the training began; nothing was written")
        raise typer.Exit(130) from None
    except Exception as error:
        fail(f"{type(error).__name__}: {error}")
        raise


@contextmanager
def _terminating_as_interrupt() -> Iterator[None]:
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _print_json(event: Event) -> None:
    # in one piece: a signal between two writes would leave half a line
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def _fail_in_json(message: str, **more: str) -> None:
    _print_json({"event": "error", "message": message, **more})


def _fail_in_words(message: str, **more: str) -> None:
    typer.echo(f"napari-gpcis: {message}", err=True)


class _Screen:
    """A progress bar, a line for each validation, and a table at the end."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task: TaskID = bar.add_task("reading the images", total=None, left="")

    def __call__(self, event: Event) -> None:
        """Show an event."""
        getattr(self, f"_{event['event']}")(event)

    def _start(self, event: Event) -> None:
        apart = (
            f"{event['selection']} to choose by, {event['held_out']} to test on"
            if event["independent"]
            else f"{event['held_out']} to choose by and test on"
        )
        self._say(
            f"{event['data']}: {event['images']} labelled images ({event['training']} to train on, "
            f"{apart}), {event['objects']} objects of about {event['object_diameter']:g} px; "
            f"starting from {event['model']} on {event['device']}"
        )
        self._bar.update(self._task, description="measuring the model as it is")

    def _progress(self, event: Event) -> None:
        self._bar.update(
            self._task,
            description=f"step {event['step']} of {event['steps']}, loss {event['loss']:.3f}",
            completed=event["step"],
            total=event["steps"],
            left=f"{event['left'] / 60:.1f} min left",
        )

    def _validation(self, event: Event) -> None:
        self._say(
            f"step {event['step']}: {event['noc85']:.2f} clicks to 85 %, {event['noc90']:.2f} to "
            f"90 %, {event['iou1']:.1f} % after one click"
        )

    def _done(self, event: Event) -> None:
        before, after = event["before"], event["after"]
        kind = "test" if event["independent"] else "held-out"
        table = Table(title=f"{before['objects']} {kind} objects, none of them trained on")
        for title in ("", "before", "after", "change"):
            table.add_column(title, justify="right" if title else "left", no_wrap=True)
        for key, title in _FIGURES.items():
            change = after[key] - before[key]
            table.add_row(title, f"{before[key]:.2f}", f"{after[key]:.2f}", f"{change:+.2f}")
        self._bar.stop()
        Console().print(table)
        for line in _remarks(event):
            typer.echo(line)

    def _say(self, text: str) -> None:
        self._bar.console.print(text, highlight=False, markup=False, soft_wrap=True)


def _remarks(event: Event) -> Iterator[str]:
    """Remarks that a reader of the table needs, and the path of the model."""
    if not event["independent"] and event["improved"]:
        yield f"note: {CAVEAT}"
    if event["stopped"]:
        yield "stopped early: the best so far counts"
    if event["improved"]:
        yield f"wrote {event['output']}, the state of step {event['step']}"
        return
    where = "on the test objects" if event["refused"] else "on the objects to choose by"
    yield (
        f"no state did better than the model it began with {where}, so that one was written to "
        f"{event['output']}; more labelled images would help"
    )
