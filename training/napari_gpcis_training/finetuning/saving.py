"""Writing a fine-tuned model so that a disk that fills up costs nothing."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from napari_gpcis.io.files import atomic_write, check_suffix, os_errors_as_output_errors
from napari_gpcis.model.checkpoint import ModelFileError, user_models_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Write = Callable[[Path], None]

_SUFFIX = ".safetensors"


class KeptElsewhereError(ValueError):
    """The output cannot be written; the model lies at `kept` instead, if anywhere."""

    def __init__(self, message: str, kept: Path | None) -> None:
        super().__init__(message)
        self.kept = kept


@contextmanager
def reserved(output: Path, size: int) -> Iterator[Callable[[Write], None]]:
    """Hold `size` bytes beside `output` while a model is made; give what puts it there.

    Parameters
    ----------
    output : Path
        Model file; what was there before stays until the new one is whole.
    size : int
        Bytes that the model will about need.

    Yields
    ------
    callable
        Takes a function that writes the model to a path. It may be called once. Where the place
        refuses after all, the model is kept in the user's models folder or the temporary one.

    Raises
    ------
    ValueError
        On entering, if the place cannot hold a model.
    KeptElsewhereError
        From the callable; says where the model is.
    """
    check_suffix(output, (_SUFFIX,))
    with atomic_write(output) as part:
        with os_errors_as_output_errors(output):
            part.write_bytes(bytes(size))

        def put(write: Write) -> None:
            with os_errors_as_output_errors(output):
                os.truncate(part, 0)
            try:
                write(part)
            except (ModelFileError, OSError) as error:
                raise _kept(output, write, error) from error

        yield put


def _kept(output: Path, write: Write, error: Exception) -> KeptElsewhereError:
    """Keep a model that its output refused in the first folder that takes it."""
    name = f"{output.stem}-{datetime.now():%Y%m%d-%H%M%S}{_SUFFIX}"
    for folder in (user_models_folder(), Path(tempfile.gettempdir())):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write(folder / name)
        except (ModelFileError, OSError):
            continue
        message = (
            f"cannot write {output}: {error.__cause__ or error}; the fine-tuned model was kept as "
            f"{folder / name}: make room and move it"
        )
        return KeptElsewhereError(message, folder / name)
    return KeptElsewhereError(
        f"cannot write {output}: {error.__cause__ or error}; no other folder took the model "
        "either: make room and fine-tune again",
        None,
    )
