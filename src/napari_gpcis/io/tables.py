"""CSV tables of any spreadsheet: commas, semicolons or tabs, decimal points or commas."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Table", "decimal_point", "read_table", "separator_of"]

_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}
# Excel writes this in front of the header, and takes the separator from it.
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)


class Table(NamedTuple):
    """Rows of a CSV file.

    Attributes
    ----------
    header : list of str
        Names of the columns; empty for a file without a line.
    rows : list of (int, list of str)
        Number of each line, counted from 1, and its cells; without blank lines.
    separator : str
        Character between cells.
    """

    header: list[str]
    rows: list[tuple[int, list[str]]]
    separator: str

    def check_width(self, cells: list[str]) -> str:
        """Complaint about a row with more or fewer cells than the header; empty if it has none."""
        if len(cells) == len(self.header):
            return ""
        hint = "; decimal commas need semicolons between values" if self.separator == "," else ""
        return (
            f"{len(cells)} values for {len(self.header)} columns; write one value per column{hint}"
        )


def read_table(lines: Iterable[str], is_known: Callable[[str], bool]) -> Table:
    """Read a table whose separator is found out from its header.

    Parameters
    ----------
    lines : iterable of str
        An open text file, or lines with their ends.
    is_known : callable
        Returns True for the name of a column that the file may have.

    Raises
    ------
    csv.Error
        When it is no CSV text.
    """
    text = list(lines)
    first = next((number for number, line in enumerate(text) if line.strip()), None)
    if first is None:
        return Table([], [], ",")
    named = _SEPARATOR_LINE.fullmatch(text[first].rstrip("\r\n"))
    if named:
        text[first] = "\n"
        separator = named[1]
    else:
        separator = separator_of(text[first], is_known)
    reader = csv.reader(text, delimiter=separator)
    rows = [(reader.line_num, row) for row in reader if any(map(str.strip, row))]
    if not rows:
        return Table([], [], separator)
    return Table([name.strip() for name in rows[0][1]], rows[1:], separator)


def separator_of(header: str, is_known: Callable[[str], bool]) -> str:
    """Separator with which a header has most known columns; a comma if it has none.

    Parameters
    ----------
    header : str
        First line of a file.
    is_known : callable
        Returns True for the name of a known column.
    """
    known = {
        separator: sum(
            is_known(name.strip()) for name in next(csv.reader([header], delimiter=separator), [])
        )
        for separator in _SEPARATORS
    }
    return max(known, key=lambda separator: known[separator])


def decimal_point(cell: str) -> str:
    """Number with a decimal point in place of a decimal comma, and anything else as it is."""
    return cell.replace(",", ".") if cell.count(",") == 1 and "." not in cell else cell
