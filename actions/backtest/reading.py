"""Reads a file of bars into series: a million lines in about a second.

A file as most programs write it is read as an array of bytes. Any other, and every one with
something wrong in it, is read line by line with the reader of `market.bars`, which names the line.
"""

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from actions.backtest.series import (
    MOST,
    Ints,
    Series,
    day_of,
    micros,
    millionths,
)
from market.bars import COLUMNS, BadBars, bars_in, content_of
from market.hours import TradingCalendar
from market.quotes import SYMBOL_PATTERN

type Bytes = npt.NDArray[np.uint8]

_DIGITS = 12  # of a number before or after its point, that are read quickly
_is_symbol = re.compile(SYMBOL_PATTERN, re.ASCII).fullmatch
_FIRST, _LAST = np.datetime64("0002-01-01", "us"), np.datetime64("9999-01-01", "us")
_TIMESTAMP = "2008-10-10T20:00:00Z"


def read_series(path: Path, calendar: TradingCalendar) -> dict[str, Series]:
    """The series of a CSV file by symbol, oldest first.

    The file is UTF-8 with the header `symbol,timestamp,open,high,low,close,volume`, in any order
    and perhaps with further columns. Each symbol's bars stand in order of time, at different
    instants; symbols may be mixed. Of daily bars, none of a session between others is missing: it
    would be taken for one in which nothing is known. Prices are above 0, and low <= close <= high;
    an open outside that range is brought into it, since no rule looks at it. Raises BadBars, which
    names the file, the line, the column and the remedy; then nothing of the file is used.
    """
    return series_in(content_of(path), str(path), calendar)


def series_in(content: bytes, name: str, calendar: TradingCalendar) -> dict[str, Series]:
    """As `read_series`, of a file's content; `name` is what it is called in words."""
    quickly = _read_quickly(content)
    if quickly is not None and all(_unlike(of, calendar) is None for of in quickly.values()):
        return quickly
    return _read_exactly(content, name, calendar)


# --- Line by line ---


def _read_exactly(content: bytes, name: str, calendar: TradingCalendar) -> dict[str, Series]:
    places: dict[str, list[str]] = {}
    rows: dict[str, list[tuple[int, ...]]] = {}
    for where, bar in bars_in(content, name, mend_opens=True):
        prices = (millionths(each) for each in (bar.open, bar.high, bar.low, bar.close))
        rows.setdefault(bar.symbol, []).append((micros(bar.at), *prices, bar.volume))
        places.setdefault(bar.symbol, []).append(where)
    found = {symbol: _series(symbol, np.array(of, np.int64).T) for symbol, of in rows.items()}
    for symbol, of in found.items():
        if wrong := _unlike(of, calendar):
            index, words = wrong
            where = places[symbol][index]
            raise BadBars(f"{where}: timestamp {of.stamp(index)} of {symbol} {words}")
    return found


def _series(symbol: str, columns: Ints) -> Series:
    at, first, high, low, close, volume = (column.copy() for column in columns)
    return Series(symbol, at, first, high, low, close, volume, close)


def _unlike(series: Series, calendar: TradingCalendar) -> tuple[int, str] | None:
    """The first bar that does not follow the one before it as it must, and in which way."""
    steps = np.diff(series.at)
    if (steps <= 0).any():
        index = int((steps <= 0).argmax()) + 1
        if steps[index - 1] == 0:
            return index, "is there twice. Give each instant one bar."
        return index, (
            f"comes after {series.stamp(index - 1)} in the file. Sort each symbol's bars by time."
        )
    if not series.is_daily:
        return None
    return _twice(series) or _gap(series, calendar)


def _twice(series: Series) -> tuple[int, str] | None:
    same = np.diff(series.days) == 0
    if not same.any():
        return None
    return int(same.argmax()) + 1, (
        "is of the same day in New York as the bar above it. Give each session one bar, with its "
        "close as the timestamp."
    )


def _gap(series: Series, calendar: TradingCalendar) -> tuple[int, str] | None:
    days = series.days
    apart = np.diff(days)
    # Most breaks are weekends, which are asked about once. 1970-01-01 was a Thursday.
    weekend = calendar.close_of(day_of(2)) is None and calendar.close_of(day_of(3)) is None
    usual = (apart == 1) | (weekend & (apart == 3) & (days[1:] % 7 == 4))
    for before in np.flatnonzero(~usual):
        missing = calendar.next_session(day_of(days[before]))
        if missing < day_of(days[before + 1]):
            return int(before) + 1, (
                f"follows {series.stamp(int(before))}, and the session of {missing} between them "
                "is missing. Add its bar, or use a file of one stretch without gaps."
            )
    return None


# --- As an array of bytes ---


def _read_quickly(content: bytes) -> dict[str, Series] | None:
    """The series, unless something is unusual or wrong."""
    data = content.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    head, _, body = data.partition(b"\n")
    names = head.decode("utf-8", "replace").split(",")
    if not body or b'"' in data or b"\r" in data or len(set(names)) < len(names):
        return None
    if not set(COLUMNS) <= set(names):
        return None
    text = np.frombuffer(body if body.endswith(b"\n") else body + b"\n", np.uint8)
    fields = _fields(text, len(names))
    if fields is None:
        return None
    begins, ends = fields
    column = {name: (begins[:, n], ends[:, n]) for n, name in enumerate(names)}
    at = _instants(text, *column["timestamp"])
    numbers = [_numbers(text, *column[name], decimals=6) for name in COLUMNS[2:6]]
    volume = _numbers(text, *column["volume"], decimals=0)
    if at is None or volume is None or any(each is None for each in numbers):
        return None
    first, high, low, close = (each for each in numbers if each is not None)
    wrong = (low > close) | (close > high) | (low <= 0) | (first <= 0) | (high > MOST)
    if wrong.any():
        return None
    columns = np.stack([at, np.clip(first, low, high), high, low, close, volume])
    return _by_symbol(text, *column["symbol"], columns)


def _fields(text: Bytes, count: int) -> tuple[Ints, Ints] | None:
    """Where each of the `count` fields of each line begins and ends."""
    ends = np.flatnonzero((text == ord(",")) | (text == ord("\n")))
    if len(ends) % count:
        return None
    last = text[ends].reshape(-1, count) == ord("\n")
    if last[:, :-1].any() or not last[:, -1].all():
        return None
    begins = np.concatenate([[0], ends[:-1] + 1])
    return begins.reshape(-1, count), ends.reshape(-1, count)


def _instants(text: Bytes, begins: Ints, ends: Ints) -> Ints | None:
    if (ends - begins != len(_TIMESTAMP)).any():
        return None
    letters = text[begins[:, None] + np.arange(len(_TIMESTAMP))]
    pattern = np.frombuffer(_TIMESTAMP.encode(), np.uint8)
    signs = (pattern < ord("0")) | (pattern > ord("9"))
    if (letters[:, signs] != pattern[signs]).any() or not _are_digits(letters[:, ~signs]).all():
        return None
    try:
        instants = letters[:, :-1].copy().view("S19")[:, 0].astype("datetime64[us]")
    except ValueError:
        return None  # no such day
    if (instants < _FIRST).any() or (instants >= _LAST).any():
        return None  # beyond the calendar
    found: Ints = instants.astype(np.int64)
    return found


def _are_digits(letters: Bytes) -> npt.NDArray[np.bool_]:
    return (letters >= ord("0")) & (letters <= ord("9"))


def _numbers(text: Bytes, begins: Ints, ends: Ints, *, decimals: int) -> Ints | None:
    """Plain numbers, in units of so many decimals; None where any has more, or is none."""
    lengths = ends - begins
    if (lengths < 1).any() or (lengths > _DIGITS + 1 + decimals).any():
        return None
    value = np.zeros(len(begins), np.int64)
    after = np.full(len(begins), -1)  # decimals read so far; -1: the point has not come
    for place in range(int(lengths.max())):
        inside = place < lengths
        letters = text[np.where(inside, begins + place, begins)]
        digit = inside & _are_digits(letters)
        point = inside & (letters == ord("."))
        if not (digit | point | ~inside).all() or (point & ((after >= 0) | (place == 0))).any():
            return None
        value = np.where(digit, value * 10 + (letters - ord("0")), value)
        after += digit & (after >= 0)
        after[point] = 0
    whole = np.where(after < 0, lengths, lengths - after - 1)
    if (after > decimals).any() or (after == 0).any() or (whole > _DIGITS).any():
        return None
    scaled: Ints = value * 10 ** (decimals - np.maximum(after, 0))
    return scaled


def _by_symbol(text: Bytes, begins: Ints, ends: Ints, columns: Ints) -> dict[str, Series] | None:
    lengths = ends - begins
    most = int(lengths.max())
    if most > 16:
        return None
    places = np.arange(most)
    letters = np.where(
        places < lengths[:, None], text[np.minimum(begins[:, None] + places, len(text) - 1)], 0
    ).astype(np.uint8)
    changes = np.flatnonzero((letters[1:] != letters[:-1]).any(axis=1)) + 1
    bounds = [0, *changes.tolist(), len(letters)]
    runs: dict[str, list[Ints]] = {}
    for begin, end in pairwise(bounds):
        symbol = letters[begin].tobytes().rstrip(b"\0").decode("utf-8", "replace")
        runs.setdefault(symbol, []).append(columns[:, begin:end])
    if not all(map(_is_symbol, runs)):
        return None
    return {symbol: _series(symbol, np.concatenate(of, axis=1)) for symbol, of in runs.items()}
