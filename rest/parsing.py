"""Reads a request's body: JSON as its standard has it, which PostgreSQL can keep, and no more.

Python's reader takes NaN, Infinity, the same name twice and halves of surrogate pairs. Here each is
refused with the path of the field that it stands at, and numbers are kept as they were written.
"""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from http import HTTPStatus
from typing import IO, Any

from rest_framework.parsers import BaseParser

from rest.problems import Problem, invalid

LARGEST_BODY = 64 * 1024  # bytes; a hundred times what any rule needs
DEEPEST = 16  # levels of objects and lists
MOST_DIGITS = 100  # of one number
LARGEST_WHOLE = 2**63


class _NotANumber:
    """Stands where the body says what JSON has no number for."""

    def __init__(self, written: str) -> None:
        self.written = written[:20]


class NameTwice(ValueError):
    """A name that stands twice in one object."""


class StrictJson(BaseParser):
    """`application/json`. Raises Problem for whatever is not, or cannot be kept."""

    media_type = "application/json"
    largest = LARGEST_BODY

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        body = stream.read(self.largest + 1)
        if len(body) > self.largest:
            raise Problem(
                HTTPStatus.CONTENT_TOO_LARGE,
                "too_large",
                f"The body is larger than {self.largest // 1024} kB.",
            )
        value = _read(body)
        if errors := faults_of(value):
            raise invalid(errors)
        return value


def _read(body: bytes) -> Any:
    try:
        return STRICT_JSON.decode(body.decode())
    except NameTwice as twice:
        raise _malformed(str(twice)) from None
    except RecursionError:
        raise _malformed("It is nested too deeply.") from None
    except UnicodeDecodeError:
        raise _malformed("It is not UTF-8.") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise _malformed(f"It is not JSON: {error.msg} at {where}.") from None


def _malformed(why: str) -> Problem:
    return Problem(HTTPStatus.BAD_REQUEST, "malformed", f"The body cannot be read. {why}")


def _exactly(written: str) -> Decimal | _NotANumber:
    """The number, unless it has too many digits: 1e999999999 has a billion, once it is written."""
    try:
        number = Decimal(written) if len(written) <= MOST_DIGITS else None
    except InvalidOperation:  # an exponent beyond any
        number = None
    if number is None or (number and abs(number.adjusted()) > MOST_DIGITS):
        return _NotANumber(written)
    return number if number else Decimal(0)


def _whole(written: str) -> int | Decimal | _NotANumber:
    """The number; one that takes more than 64 bits, which cannot be answered as it is, exactly."""
    if len(written) > MOST_DIGITS:
        return _NotANumber(written)
    number = int(written)
    return number if -LARGEST_WHOLE <= number < LARGEST_WHOLE else Decimal(written)


def _each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise NameTwice(f"The name “{_shown(twice)}” stands twice in one object.")
    return names


# Reads what JSON has, and what it has not as what `faults_of` finds. Raises NameTwice.
STRICT_JSON = json.JSONDecoder(
    parse_float=_exactly,
    parse_int=_whole,
    parse_constant=_NotANumber,
    object_pairs_hook=_each_name_once,
)


def faults_of(value: object) -> dict[str, str]:
    """What in a value that STRICT_JSON read cannot be kept, by its path."""
    return dict(_faults(value, "", 0))


def _faults(value: Any, path: str, depth: int) -> Iterator[tuple[str, str]]:
    """What in `value` cannot be kept, by its path."""
    if depth > DEEPEST:
        yield path.partition(".")[0], f"It is nested more than {DEEPEST} levels deep."
        return
    match value:
        case _NotANumber():
            yield path, f"{value.written} is not a number that can be used here."
        case str():
            if fault := _unkeepable(value):
                yield path, fault
        case dict():
            for name, inner in value.items():
                if fault := _unkeepable(name):
                    yield path, f"A name in it cannot be kept: {fault}"
                else:
                    yield from _faults(inner, f"{path}.{name}" if path else name, depth + 1)
        case list():
            for place, inner in enumerate(value):
                yield from _faults(inner, f"{path}.{place}" if path else str(place), depth + 1)


def _unkeepable(text: str) -> str:
    if "\0" in text:
        return "It contains a character that cannot be stored (NUL)."
    try:
        text.encode()
    except UnicodeEncodeError:
        return "It contains half of a surrogate pair, which is no character."
    return ""


def _shown(text: str) -> str:
    return text[:40].encode("ascii", "backslashreplace").decode()
