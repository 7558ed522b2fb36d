"""The folder beside an output in which a run keeps what it has done, so that it can be gone on."""

from __future__ import annotations

import glob
import os
import shutil
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from napari_gpcis.batch.spool import Spool
from napari_gpcis.io.errors import OutputFileError
from napari_gpcis.io.files import lock, saying_why

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from typing import Self

__all__ = ["WorkFolder"]

_SECONDS_BETWEEN_TRIES = 0.2


class WorkFolder:
    """Spools of one output; a context manager that removes them at the end.

    Where the block is left by an error they are removed too, unless `resume`. A killed process
    removes nothing: a later run with `resume` finds them, one without begins anew.

    Parameters
    ----------
    output : Path
        What is being made.
    fingerprint : str
        Of the job.
    resume : bool
        Whether to go on from what is there.
    others : iterable of Path
        What the run makes besides. Temporary files that a killed one left of any are removed.
    patience : float
        Seconds to wait for another run that is making the same output to end.

    Raises
    ------
    OutputFileError
        When nothing can be written there, or another run is making the same output.
    """

    def __init__(
        self,
        output: Path,
        fingerprint: str,
        *,
        resume: bool,
        others: Iterable[Path] = (),
        patience: float = 0.0,
    ) -> None:
        target = output.resolve()
        self.path = target.with_name(f".{target.name}.work")
        self._fingerprint = fingerprint
        self._resume = resume
        self._spools: list[Spool] = []
        give_up = time.monotonic() + patience
        while not self._take(output):
            if time.monotonic() > give_up:
                raise OutputFileError(
                    f"cannot write {output}: another run is making it; wait for it or choose "
                    "another name"
                )
            time.sleep(_SECONDS_BETWEEN_TRIES)
        for made in (target, *(path.resolve() for path in others)):
            for stale in made.parent.glob(f".{glob.escape(made.name)}.*.part"):
                _remove(stale)

    def _take(self, output: Path) -> bool:
        """Make the folder, and keep others out of it; false if another run does."""
        with saying_why(output):
            self.path.mkdir(exist_ok=True)
            try:
                self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT)
            except FileNotFoundError:
                return False  # removed in between: the other run has just ended
        if lock(self._lock):
            return True
        os.close(self._lock)
        return False

    def spool(self, name: str) -> Spool:
        """Records of one kind."""
        spool = Spool(self.path / f"{name}.spool", self._fingerprint, resume=self._resume)
        self._spools.append(spool)
        return spool

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        for spool in self._spools:
            spool.close()
        if kind is None or not self._resume:
            # a file that is still open cannot be removed everywhere: the lock goes first
            os.close(self._lock)
            _remove(self.path)
        else:
            os.close(self._lock)


def _remove(path: Path) -> None:
    with suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
