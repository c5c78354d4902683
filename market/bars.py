"""Reads daily bars from a CSV file. Everything wrong is one line that says where and what to do."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from market.quotes import BadBar, Bar

COLUMNS = ("symbol", "timestamp", "open", "high", "low", "close", "volume")

LONGEST_VALUE = 100  # characters
csv.field_size_limit(
    2**31 - 1
)  # or else csv refuses a longer value, and cannot say of which column

# Of the instruments in market/data, as they are called today.
SHIPPED_NAMES = {
    "AAPL": "Apple Inc.",
    "FB": "Facebook, Inc. (Meta Platforms)",
    "GOOG": "Google Inc. (Alphabet)",
    "IBM": "International Business Machines Corporation",
    "MSFT": "Microsoft Corporation",
}

# Decimal() and int() take more than a file should hold: NaN, 1_000, spaces, other scripts' digits.
_is_number = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?").fullmatch
_is_whole = re.compile(r"-?[0-9]{1,20}").fullmatch


class BadBars(ValueError):
    """A file of bars that cannot be used: one line with file, line, column, value and remedy."""


def read_bars(path: Path) -> dict[str, tuple[Bar, ...]]:
    """The bars of a CSV file by symbol, oldest first.

    The file is UTF-8 with the header `symbol,timestamp,open,high,low,close,volume` in any order
    (further columns are ignored); `timestamp` is ISO 8601 with its zone, the session's real close.
    Each symbol's bars stand in time order, one a session; symbols may be mixed. Blank lines are
    skipped, nothing else is. Raises BadBars.
    """
    bars: dict[str, list[Bar]] = {}
    for where, bar in each_bar(path):
        earlier = bars.setdefault(bar.symbol, [])
        _check_order(where, bar, earlier)
        earlier.append(bar)
    return {symbol: tuple(found) for symbol, found in bars.items()}


def each_bar(path: Path, *, mend_opens: bool = False) -> Iterator[tuple[str, Bar]]:
    """The bars of a CSV file as they stand in it, each with its place: "bars.csv line 7".

    With `mend_opens` an open outside its session's range, as misprints are, is brought to the
    nearer end of it; otherwise it is refused. Raises BadBars.
    """
    return bars_in(content_of(path), str(path), mend_opens=mend_opens)


def content_of(path: Path) -> bytes:
    """The bytes of a file of bars. Raises BadBars where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadBars(
            f"{path}: cannot be read ({error.strerror}). Name a CSV file of daily bars."
        ) from None


def bars_in(content: bytes, name: str, *, mend_opens: bool = False) -> Iterator[tuple[str, Bar]]:
    """As `each_bar`, of a file's content; `name` is what it is called in words."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadBars(
            f"{name}: byte {error.start} in line {line} is not UTF-8 text. Save the file as UTF-8."
        ) from None
    empty = True
    for where, row in _rows(name, text):
        empty = False
        yield where, _bar(where, row, mend_open=mend_opens)
    if empty:
        raise BadBars(f"{name}: has a header and no bars. Add a line for each session.")


def _rows(name: str, text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Each row with its place in the file, for the messages: "bars.csv line 7"."""
    rows = _numbered(name, text)
    header = next(rows, None)
    if header is None:
        raise BadBars(f"{name}: is empty. Its first line must be {','.join(COLUMNS)}.")
    where, names = header
    _check_header(where, names)
    for where, values in rows:
        if len(values) != len(names):
            raise BadBars(
                f"{where}: has {len(values)} values, the header {len(names)}. "
                "Give each column one value."
            )
        row = dict(zip(names, values, strict=True))
        for column in COLUMNS:
            if len(row[column]) > LONGEST_VALUE:
                raise BadBars(
                    f"{where}: {column} has {len(row[column]):,} characters. "
                    f"Give it at most {LONGEST_VALUE}."
                )
        yield where, row


def _check_header(where: str, names: Sequence[str]) -> None:
    missing = [column for column in COLUMNS if column not in names]
    if missing:
        between = " Separate columns with commas." if len(names) == 1 else ""
        raise BadBars(
            f"{where}: the header has no column {', '.join(missing)}. "
            f"It must have {','.join(COLUMNS)}.{between}"
        )
    if twice := [column for column in COLUMNS if names.count(column) > 1]:
        raise BadBars(f"{where}: the header has {twice[0]} twice. Leave one out.")


def _numbered(name: str, text: str) -> Iterator[tuple[str, list[str]]]:
    """The rows with the line in which each begins."""
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    before = 0
    try:
        for values in rows:
            if values:
                yield f"{name} line {before + 1}", values
            before = rows.line_num
    except csv.Error as error:
        raise BadBars(
            f"{name} line {before + 1}: is not CSV ({error}). Save the file as plain CSV."
        ) from None


def _bar(where: str, row: dict[str, str], *, mend_open: bool) -> Bar:
    first, high, low = (_number(where, name, row[name]) for name in ("open", "high", "low"))
    if mend_open and first > 0:
        first = min(max(first, low), high)
    try:
        return Bar(
            symbol=row["symbol"],
            at=_instant(where, row["timestamp"]),
            open=first,
            high=high,
            low=low,
            close=_number(where, "close", row["close"]),
            volume=_shares(where, row["volume"]),
        )
    except BadBar as wrong:
        raise BadBars(f"{where}: {wrong}. Correct that value at its source.") from None


def _instant(where: str, text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise BadBars(
            f"{where}: timestamp {text!r} is not an instant with its zone. "
            "Write it as 2008-10-10T20:00:00Z."
        )
    return at


def _number(where: str, column: str, text: str) -> Decimal:
    if not _is_number(text):
        raise BadBars(f"{where}: {column} {text!r} is not a number. Write it as 12.34.")
    return Decimal(text)


def _shares(where: str, text: str) -> int:
    if not _is_whole(text):
        raise BadBars(
            f"{where}: volume {text!r} is not a whole number of shares. Write it as 1200."
        )
    return int(text)


def _check_order(where: str, bar: Bar, earlier: list[Bar]) -> None:
    if earlier and bar.session <= earlier[-1].session:
        raise BadBars(
            f"{where}: timestamp {bar.at:%Y-%m-%dT%H:%M:%SZ} of {bar.symbol} is not a session "
            f"later than {earlier[-1].at:%Y-%m-%dT%H:%M:%SZ} above it. "
            "Sort each symbol's bars by time, one a session."
        )
