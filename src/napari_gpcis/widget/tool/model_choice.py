"""Which model answers the clicks, and on which device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_gpcis.widget.tool.answer_loop import AnswerLoop


@dataclass(frozen=True)
class ModelInfo:
    """A model that can be chosen: its short name, its title, and its file."""

    name: str
    title: str
    path: str


class ModelChoice:
    """The model in use, those that could be, and the same of devices.

    A choice takes effect once the model is loaded; the one before stays if that fails.

    Parameters
    ----------
    loop : AnswerLoop
        Loads what is chosen.
    """

    def __init__(self, loop: AnswerLoop) -> None:
        self._loop = loop
        self._options = loop.options

    @property
    def known(self) -> list[ModelInfo]:
        """The models to choose from."""
        from napari_gpcis.model.folders import model_files

        name = self.name
        known = [ModelInfo(found, found, str(path)) for found, path in model_files().items()]
        if name not in [info.name for info in known]:
            known.append(ModelInfo(name, name, name))
        return known

    @property
    def name(self) -> str:
        """Name or path of the model in use."""
        return self._options.model

    @property
    def is_loaded(self) -> bool:
        """True once there is a model that answers."""
        return self._loop.loaded is not None

    @property
    def card(self) -> str:
        """The model's card in Markdown; empty while it is loading."""
        return "" if self._loop.loaded is None else self._loop.loaded.card

    @property
    def knows_classes(self) -> bool:
        """True unless the model is known to have no Gaussian process, which class mode needs."""
        return self._loop.loaded is None or self._loop.loaded.has_gp

    def choose(self, name_or_path: str) -> None:
        """Use another model."""
        if name_or_path != self.name:
            self._loop.load(name_or_path, self.device)

    @property
    def devices(self) -> list[str]:
        """The devices to choose from, "auto" first."""
        return ["auto", "cpu"] if self._loop.loaded is None else self._loop.loaded.devices

    @property
    def device(self) -> str:
        """The device asked for."""
        return self._options.device

    @property
    def device_in_use(self) -> str:
        """The device that computes; empty before a model is loaded."""
        return "" if self._loop.loaded is None else self._loop.loaded.device

    def choose_device(self, name: str) -> None:
        """Compute on another device."""
        if name != self.device:
            self._loop.load(self.name, name)
