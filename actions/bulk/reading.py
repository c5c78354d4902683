"""Reads a file of rules: CSV, a JSON list, or JSON lines. What is wrong is said by line and column.

A rule at a time, so that a file of a hundred thousand takes little more memory than its text.
"""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from actions.bulk.cells import meant
from actions.bulk.columns import NAMES, NEEDED, TOLD_ONLY, Unfit, value_of
from rest.parsing import STRICT_JSON, NameTwice, faults_of

LARGEST_FILE = 64 * 1024 * 1024  # bytes
LONGEST_CELL = 64 * 1024  # characters
MOST_COLUMNS = 100
_SPACE = " \t\r\n"
_NO_TEXT = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\x1f\x8b", b"%PDF")  # xlsx or zip, xls, gzip
_EACH_IN_ONE = " Write each object in one line, or all of them in a list: [{...}, {...}]."

# The reader's own limit cannot name the column: ours is asked of each cell.
csv.field_size_limit(LARGEST_FILE)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, with the remedy. `column` is empty where it is the line, or the file."""

    line: int
    column: str
    words: str


@dataclass(frozen=True, slots=True)
class Record:
    """A rule of the file: the line at which it begins, what it says, and what of it is wrong."""

    line: int
    given: dict[str, Any]
    faults: Sequence[Fault] = ()


class Unreadable(ValueError):
    """A file of which, from some line on, nothing can be read."""

    def __init__(self, *faults: Fault) -> None:
        self.faults = faults
        super().__init__("; ".join(fault.words for fault in faults))


def records_of(content: bytes) -> Iterator[Record]:
    """The rules of a file, in its order. What it is, its first character tells.

    Raises Unreadable, also after some of them.
    """
    text = _decoded(content)
    begin = len(text) - len(text.lstrip(_SPACE))
    if begin == len(text):
        raise Unreadable(Fault(1, "", "The file is empty. Put one rule in each line."))
    if text[begin] == "[":
        return _of_list(text, begin)
    return _of_lines(text) if text[begin] == "{" else _of_csv(text)


def _decoded(content: bytes) -> str:
    if content.startswith(_NO_TEXT):
        words = "The file is a workbook, a document or packed. Save it as CSV in UTF-8."
        raise Unreadable(Fault(1, "", words))
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content[:4]:
        raise Unreadable(Fault(1, "", "The file is UTF-16 or UTF-32. Save it as UTF-8."))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        at = error.start - content.rfind(b"\n", 0, error.start)
        words = f"The file is not UTF-8: see byte {at} of this line. Save it as UTF-8."
        raise Unreadable(Fault(line, "", words)) from None


# --- CSV ---


def _of_csv(text: str) -> Iterator[Record]:
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(filter(_says, rows), ())]
        _check_header(header, rows.line_num)
        before, empty = rows.line_num, True
        for row in rows:
            if _says(row):
                yield _of_row(before + 1, header, row)
                empty = False
            before = rows.line_num
        if empty:
            raise Unreadable(Fault(1, "", "There are no rules below the names of the columns."))
    except csv.Error as error:
        words = f"From here on the file is not CSV: {error}. Look at the quotes."
        raise Unreadable(Fault(max(rows.line_num, 1), "", words)) from None


def _says(row: Sequence[str]) -> bool:
    """Whether anything is in it: spreadsheets write lines of nothing but commas."""
    return any(map(str.strip, row))


def _check_header(header: Sequence[str], line: int) -> None:
    faults = []
    if not header:
        raise Unreadable(Fault(1, "", "The file is empty. Put one rule in each line."))
    if len(header) > MOST_COLUMNS:
        raise Unreadable(Fault(line, "", f"There are more than {MOST_COLUMNS} columns."))
    for name in dict.fromkeys(header):
        if not name:
            words = f"Column {header.index(name) + 1} has no name. Leave it out, in all lines."
            faults.append(Fault(line, "", words))
        elif name not in NAMES:
            faults.append(Fault(line, shortened(name), _unknown_column(name)))
        elif header.count(name) > 1:
            faults.append(Fault(line, name, "The column is there twice. Leave one out."))
    faults += [
        Fault(line, name, "The column is missing. Add it.")
        for name in NAMES
        if name in NEEDED and name not in header
    ]
    if faults:
        raise Unreadable(*faults)


def _unknown_column(name: str) -> str:
    words = f"There is no such column. Leave it out, or use one of: {', '.join(NAMES)}."
    return f"{words} Separate columns with commas." if ";" in name or "\t" in name else words


def _of_row(line: int, header: Sequence[str], row: Sequence[str]) -> Record:
    if len(row) != len(header):
        words = f"The line has {len(row)} cells, and there are {len(header)} columns."
        return Record(line, {}, [Fault(line, "", words)])
    given: dict[str, Any] = {}
    faults = []
    for name, cell in zip(header, row, strict=True):
        if name in TOLD_ONLY or (not cell and name in NEEDED):
            continue
        try:
            given[name] = value_of(name, _text(cell))
        except Unfit as unfit:
            faults.append(Fault(line, name, str(unfit)))
    return Record(line, given, faults)


def _text(cell: str) -> str:
    if len(cell) > LONGEST_CELL:
        raise Unfit(f"The cell has {len(cell):,} characters, and may have {LONGEST_CELL:,}.")
    if "\0" in cell:
        raise Unfit("It contains a character that cannot be stored (NUL). Take it out.")
    return meant(cell)


# --- JSON ---


def _of_lines(text: str) -> Iterator[Record]:
    for number, line in enumerate(map(str.rstrip, io.StringIO(text)), start=1):
        if not line:
            continue
        begin = len(line) - len(line.lstrip(_SPACE))
        value, end = _value(line, begin, number, otherwise=_EACH_IN_ONE)
        if line[end:].strip(_SPACE):
            words = "There is more than one object in this line. Write each in a line of its own."
            raise Unreadable(Fault(number, "", words))
        yield _of_object(number, value)


def _of_list(text: str, begin: int) -> Iterator[Record]:
    at, line = _past_space(text, begin + 1, 1 + text.count("\n", 0, begin))
    if text[at : at + 1] == "]":
        raise Unreadable(Fault(line, "", "The list is empty. Put one object in it for each rule."))
    while True:
        value, end = _value(text, at, line)
        yield _of_object(line, value)
        line += text.count("\n", at, end)
        at, line = _past_space(text, end, line)
        sign = text[at : at + 1]
        if sign != ",":
            break
        at, line = _past_space(text, at + 1, line)
    if sign != "]" or text[at + 1 :].strip(_SPACE):
        words = "Here the list goes wrong: a comma, or ] at the end of the file, was expected."
        raise Unreadable(Fault(line, "", words))


def _past_space(text: str, at: int, line: int) -> tuple[int, int]:
    """Where the next thing begins, and its line."""
    begin = at
    while text[at : at + 1] and text[at] in _SPACE:
        at += 1
    return at, line + text.count("\n", begin, at)


def _value(text: str, at: int, line: int, *, otherwise: str = "") -> tuple[Any, int]:
    """The JSON value that begins at a place, and where it ends.

    Raises Unreadable, with what to do `otherwise`.
    """
    try:
        return STRICT_JSON.raw_decode(text, at)
    except NameTwice as twice:
        raise Unreadable(Fault(line, "", str(twice))) from None
    except RecursionError:
        raise Unreadable(Fault(line, "", "It is nested too deeply.")) from None
    except json.JSONDecodeError as error:
        beyond = text.count("\n", at, error.pos)
        column = error.pos - text.rfind("\n", 0, error.pos)
        words = f"From here on it is not JSON: {error.msg} at character {column}.{otherwise}"
        raise Unreadable(Fault(line + beyond, "", words)) from None


def _of_object(line: int, value: Any) -> Record:
    if not isinstance(value, dict):
        words = 'Write each rule as an object, such as {"external_id": "mine", ...}.'
        return Record(line, {}, [Fault(line, "", words)])
    given = {name: inner for name, inner in value.items() if name not in TOLD_ONLY}
    faults = [Fault(line, shortened(path), words) for path, words in faults_of(given).items()]
    return Record(line, given, faults)


def shortened(name: str) -> str:
    """The name of a column, of which nobody knows how long it is, as it is told."""
    return told(name[:60].encode("ascii", "backslashreplace").decode())


def told(words: str) -> str:
    """Words that may quote a file, without what cannot be seen, or stored (NUL, half a pair)."""
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in words
    )
