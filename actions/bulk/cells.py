"""The text of a cell in a CSV file, both ways. Pure.

A spreadsheet takes text that begins with one of a few characters for a formula, and runs it. Such
a cell is written with an apostrophe before it, and read without it. A text that begins with
apostrophes and goes on in that way gets one more, so that what is read is always what was there.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence

_FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff0b\uff0d\uff1d\uff20]")
_NEUTRAL = re.compile(r"'+[=+\-@\t\r\n\uff0b\uff0d\uff1d\uff20]")


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """The rows as lines of a CSV file."""
    lines = io.StringIO(newline="")
    csv.writer(lines).writerows(rows)
    return lines.getvalue()


def neutral(text: str) -> str:
    """The cell for this text: one that no spreadsheet runs."""
    return f"'{text}" if _FORMULA.match(text) else text


def meant(cell: str) -> str:
    """The text that a cell stands for. A cell that nobody has made neutral is what it says."""
    return cell[1:] if _NEUTRAL.match(cell) else cell
