"""The sign of a click in a clicks file: which column holds it, and how its values are read.

A click that is wrongly taken for a positive one turns a mask over, so no column that may be the
sign is passed over in silence.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from napari_gpcis.io.errors import ClicksFileError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["read_sign", "sign_column"]

# Words that can mean nothing else.
_WORDS = dict.fromkeys(("positive", "pos", "+", "plus", "foreground", "fg"), True)
_WORDS |= dict.fromkeys(("negative", "neg", "-", "−", "minus", "background", "bg"), False)
_BINARY = dict.fromkeys(("1", "+1", "1.0", "true", "yes"), True)
_BINARY |= dict.fromkeys(("0", "-1", "0.0", "-1.0", "false", "no"), False)
_SIGNS = _WORDS | _BINARY
# What our own column holds.
_OURS = dict.fromkeys(("1", "true", "1.0"), True) | dict.fromkeys(("0", "false", "0.0"), False)
# Names under which other programs save the sign.
_NAMES = {"sign", "polarity", "ispositive", "foreground", "isforeground", "fg", "pos"}
# Names under which they save either the sign or the number of the object.
_EITHER = {"label", "labels", "pointlabel", "pointlabels", "instance", "instances"}


def sign_column(path: Path, columns: Mapping[str, Sequence[str]]) -> str | None:
    """Name of the column that holds the sign; None where all clicks are positive.

    Parameters
    ----------
    path : Path
        Name of the file in errors.
    columns : dict
        Cells of each column.

    Raises
    ------
    ClicksFileError
        When a column may hold the sign, but this cannot be told.
    """
    if "positive" in columns:
        return "positive"
    found = []
    for name, cells in columns.items():
        if name in ("index", "object", "prompt", "stroke") or name.startswith("axis-") or not cells:
            continue
        plain, values = re.sub(r"[\W_]", "", name.lower()), {cell.lower() for cell in cells}
        if values <= _WORDS.keys() or (plain in _NAMES and values <= _SIGNS.keys()):
            found.append(name)
        elif plain in _NAMES:
            odd = next(cell for cell in cells if cell.lower() not in _SIGNS)
            raise ClicksFileError(
                f"{path} has a column {name!r} with {odd!r} in it; rename it to 'positive' and "
                "write 1 or 0, or rename it to something else"
            )
        elif values <= _BINARY.keys() and len({_BINARY[value] for value in values}) == 2:
            raise ClicksFileError(
                f"{path} has a column {name!r} of two values, which may say whether clicks are "
                "positive; rename it to 'positive' if so, or else remove it"
            )
        elif plain in _EITHER and "object" not in columns and len(values) > 1:
            raise ClicksFileError(
                f"{path} has a column {name!r}, which may number the objects; rename it to "
                "'object' if so, or else remove it"
            )
    if len(found) > 1:
        raise ClicksFileError(
            f"{path} has the columns {found[0]!r} and {found[1]!r}, either of which may say "
            "whether clicks are positive; rename the right one to 'positive'"
        )
    return found[0] if found else None


def read_sign(where: str, name: str, text: str) -> bool:
    """Sign that a cell says.

    Raises
    ------
    ClicksFileError
        When it says none.
    """
    sign = (_OURS if name == "positive" else _SIGNS).get(text.lower())
    if sign is None:
        raise ClicksFileError(f"{where}: {name} is {text!r}; write 1 or 0")
    return sign
