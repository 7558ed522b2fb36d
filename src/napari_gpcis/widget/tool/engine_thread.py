"""The session on its thread: what the tool asks, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from napari_gpcis.widget.layers.overlays import Extras
from napari_gpcis.widget.tool.torch_import import import_torch
from napari_gpcis.widget.tool.worker import LongJob, Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from napari_gpcis.engine.document.annotation import Annotation, Question
    from napari_gpcis.engine.document.history import State
    from napari_gpcis.engine.document.label_store import LabelStore
    from napari_gpcis.engine.proposals.linking import LinkedProposal
    from napari_gpcis.engine.result import Result
    from napari_gpcis.engine.session import Session
    from napari_gpcis.engine.types import Array
    from napari_gpcis.widget.tool.types import Direction


@dataclass(frozen=True, slots=True)
class Loaded:
    """Facts that are known once torch and a model are loaded.

    Attributes
    ----------
    models : list of str
        Names and paths to choose from.
    model : str
        The one that was loaded.
    card : str
        Its card, Markdown.
    devices : list of str
        To choose from.
    device : str
        Where it runs.
    trained_diameter : float
        Diameter of the objects that it was trained on, in network pixels.
    has_gp : bool
        Whether its head is a GP: without, there is no class mode.
    """

    models: list[str]
    model: str
    card: str
    devices: list[str]
    device: str
    trained_diameter: float
    has_gp: bool


class EngineThread:
    """One session on one thread; all callbacks come on the thread of the window.

    Parameters
    ----------
    on_error : callable
        Called with an exception.
    on_warning : callable
        Called with the text of what the engine warned of, such as memory that ran out.
    """

    def __init__(
        self, on_error: Callable[[BaseException], None], on_warning: Callable[[str], None]
    ) -> None:
        self.worker = Worker(on_error)
        self._notify = partial(self.worker.post, on_warning)
        self._session: Session | None = None
        self._image: tuple[Any, dict[str, Any]] | None = None
        self._predicted: tuple[Question, Result] | None = None
        self._ahead: list[int] = []
        self._rejected: list[LinkedProposal] = []

    def load(
        self,
        model: str,
        device: str,
        options: dict[str, Any],
        then: Callable[[Loaded], None],
    ) -> None:
        """Load a model, torch too if need be, and go on with the same image.

        If it cannot be loaded, the one before stays.
        """

        def work(_: Callable[[], bool]) -> Loaded:
            import_torch()
            from napari_gpcis.engine.session import Session
            from napari_gpcis.model import load_model

            network = load_model(model)
            session = Session(network, device, notify=self._notify, **options)
            if self._image is not None:
                image, arguments = self._image
                session.set_image(image, **arguments)
            self._session, self._predicted, self._rejected = session, None, []
            return _describe(session, model, network)

        self.worker.do(work, then)

    def set_image(self, image: Any, annotation: Annotation, **arguments: Any) -> None:
        """Work on an image; returns at once."""
        self.worker.drop()
        given = (image, {**arguments, "annotation": annotation})

        def work(_: Callable[[], bool]) -> None:
            self._image, self._predicted, self._rejected = given, None, []
            if self._session is not None:
                self._session.set_image(given[0], **given[1])

        self.worker.do(work)

    def set_options(self, **options: Any) -> None:
        """Change options of the session: `object_diameter`, `threshold`."""

        def work(_: Callable[[], bool]) -> None:
            self._predicted = None
            if self._session is not None:
                for name, value in options.items():
                    setattr(self._session, name, value)

        self.worker.do(work)

    def ask(
        self,
        question: Question,
        then: Callable[[Question, Result], None],
        failed: Callable[[Question, Exception], None],
    ) -> None:
        """Ask for a mask; a question that still waits is not answered any more."""

        def work(is_stale: Callable[[], bool]) -> Result | Exception | None:
            known, self._predicted = self._predicted, None
            if known is not None and known[0].same_as(question):
                return known[1]
            try:
                return None if self._session is None else self._session.answer(question, is_stale)
            except Exception as error:  # whatever it is, it is about this question
                return error

        def deliver(result: Result | Exception | None) -> None:
            if isinstance(result, Exception):
                failed(question, result)
            elif result is not None:
                then(question, result)

        self.worker.ask("answer", work, deliver)

    def predict_ahead(self, question: Question) -> None:
        """Answer a question that will be asked in a moment, most likely."""

        def work(is_stale: Callable[[], bool]) -> None:
            if self._session is not None:
                try:
                    result = self._session.answer(question, is_stale)
                except Exception:  # said when the click itself is asked about
                    return
                if {*question.clicks} <= {*result.clicks}:
                    self._predicted = question, result

        self.worker.ask("answer", work, lambda _: None)

    def ask_extras(
        self,
        result: Result,
        maps: Sequence[str],
        with_next: bool,
        taken: Array | None,
        then: Callable[[Extras], None],
    ) -> None:
        """Ask for overlays and the next click, which is not looked for where `taken` is true."""

        def work(_: Callable[[], bool]) -> Extras:
            from napari_gpcis.engine.guidance import next_click, uncertainty

            made: dict[str, Callable[[], Array]] = {
                "probability": lambda: result.box_probability,
                "uncertainty": lambda: uncertainty(result),
                "prior": lambda: result.box_prior,
                "update": lambda: result.box_update,
            }
            chosen = {name: made[name]() for name in maps}
            place = next_click(result) if with_next else None
            if place is not None and taken is not None and _holds(taken, result, place):
                place = None
            return Extras(result, chosen, place)

        self.worker.ask("extras", work, then)

    def classify(
        self,
        state: State,
        z: int,
        place: tuple[int, int],
        on_tile: Callable[[Result], None],
        then: Callable[[bool], None],
    ) -> None:
        """Class mode: classes of a slice, tile by tile; a newer state takes its place."""

        def work(_: Callable[[], bool]) -> list[Result]:
            tiles = []
            for tile in self._session.class_tiles(state, z, place) if self._session else ():
                tile.fill()  # here, not on the thread of the window
                tiles.append(tile)
            return tiles

        def deliver(tiles: list[Result]) -> None:
            for tile in tiles:
                on_tile(tile)
            then(bool(tiles))

        self.worker.ask("classes", work, deliver)

    def classify_all(
        self,
        state: State,
        store: LabelStore,
        slices: Sequence[int],
        on_slice: Callable[[Any], None],
        then: Callable[[bool], None],
    ) -> None:
        """Class mode: patches that make slices' labels their classes, one slice after another."""

        def steps() -> Generator[Any, None, None]:
            from napari_gpcis.engine.document.commit import class_patches

            for z in slices:
                if self._session is None:
                    return
                yield z, class_patches(store, {z: self._session.classify(z, state)})

        self.worker.start_long(LongJob(steps(), on_slice, then))

    def propagate(
        self,
        state: State,
        object_id: int,
        direction: Direction,
        within: range,
        on_slice: Callable[[Any], None],
        then: Callable[[bool], None],
    ) -> None:
        """Carry an object's mask to the slices around it, one after another, within a range."""

        def steps() -> Generator[Any, None, None]:
            if self._session is not None:
                yield from self._session.spread(state, object_id, direction, within)

        self.worker.start_long(LongJob(steps(), on_slice, then))

    def propose(
        self,
        slices: range,
        rejected: Sequence[LinkedProposal],
        on_proposal: Callable[[Any], None],
        on_progress: Callable[[tuple[int, int]], None],
        then: Callable[[bool], None],
    ) -> None:
        """Propose objects like the committed ones, one after another, unlike rejected ones."""
        told = partial(self.worker.post, on_progress)

        def steps() -> Generator[Any, None, None]:
            if self._session is None:
                return
            for proposal in rejected:
                if proposal not in self._rejected:
                    self._session.reject(proposal)
                    self._rejected.append(proposal)
            yield from self._session.propose(
                slices,
                is_stale=lambda: self.worker.cancelled,
                on_progress=lambda done, total: told((done, total)),
            )

        self.worker.start_long(LongJob(steps(), on_proposal, then))

    def prepare(self, slices: Sequence[int], place: tuple[int, int]) -> None:
        """Encode slices ahead of need, from a pixel outwards, when there is nothing else to do."""
        waiting = self._ahead = list(slices)

        def work(is_stale: Callable[[], bool]) -> None:
            if self._session is not None and waiting:
                self._session.prepare(waiting[0], place, is_stale)
                if not is_stale():
                    waiting.pop(0)

        def again(_: None) -> None:
            if waiting and waiting is self._ahead:
                self.worker.ask("ahead", work, again)

        self.worker.ask("ahead", work, again)

    @property
    def busy(self) -> bool:
        """True while a long job is under way, which `cancel` stops."""
        return self.worker.busy_long

    @property
    def idle(self) -> bool:
        """True if nothing is under way or waiting."""
        return self.worker.idle

    def cancel(self) -> None:
        """Stop the long work after the step that it is at."""
        self.worker.cancel()

    def drop_question(self) -> None:
        """Answer the question that waits no more."""
        self.worker.drop("answer")

    def drop_all(self) -> None:
        """Forget everything that waits, and stop the long work."""
        self.worker.drop()
        self.worker.cancel()

    def stop(self) -> None:
        """End the thread."""
        self.worker.stop()


def _holds(mask: Array, result: Result, place: tuple[int, int]) -> bool:
    """True if a mask of a result's box holds a pixel of the image."""
    row, col = place[0] - result.box.r0, place[1] - result.box.c0
    inside = 0 <= row < mask.shape[0] and 0 <= col < mask.shape[1]
    return inside and bool(mask[row, col])


def _describe(session: Session, model: str, network: Any) -> Loaded:
    import torch

    from napari_gpcis.model import list_models, model_card
    from napari_gpcis.model.card import card_markdown

    devices = ["auto", "cpu"]
    if torch.cuda.is_available():
        devices.append("cuda")
    if torch.backends.mps.is_available():
        devices.append("mps")
    return Loaded(
        models=list_models(),
        model=model,
        card=card_markdown(model_card(model)),
        devices=devices,
        device=str(session.device),
        trained_diameter=float(network.config.object_diameter),
        has_gp=network.config.head == "gp",
    )
