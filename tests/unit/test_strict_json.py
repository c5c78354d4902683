"""Bodies are JSON as its standard has it, and what the database can keep."""

from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest

from rest.answers import as_json
from rest.bodies import as_instant, as_instant_or_day
from rest.parsing import LARGEST_BODY, StrictJson
from rest.problems import Problem


def parsed(body: bytes | str) -> Any:
    return StrictJson().parse(BytesIO(body if isinstance(body, bytes) else body.encode()))


def test_numbers_keep_every_digit() -> None:
    assert parsed('{"a": 0.1234567890123456789, "b": 3}') == {
        "a": Decimal("0.1234567890123456789"),
        "b": 3,
    }


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"price": NaN}', "price"),
        ('{"market": {"price": -Infinity}}', "market.price"),
        ('{"closes": [1, Infinity]}', "closes.1"),
        (f'{{"n": {"9" * 5000}}}', "n"),
        (f'{{"n": 0.{"1" * 200}}}', "n"),
        ('{"n": 1e99999999999999999999}', "n"),
        ('{"n": 1e999999999}', "n"),
        ('{"n": -1e-999999999}', "n"),
        ('{"notes": "a\\u0000b"}', "notes"),
        ('{"notes": "half of \\ud83d"}', "notes"),
        ('{"targets": {"\\udc00": 1}}', "targets"),
        ('{"a": ' * 17 + "1" + "}" * 17, "a"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_its_path(body: str, field: str) -> None:
    with pytest.raises(Problem) as refused:
        parsed(body)
    assert refused.value.status == 400
    assert list(refused.value.errors) == [field]


def test_a_number_is_as_long_as_it_is_written() -> None:
    told = parsed('{"a": 0e999999999, "b": -0.0, "c": 1e20, "d": 9223372036854775808, "e": -9}')
    assert as_json(told) == (
        b'{"a":"0","b":"0","c":"100000000000000000000","d":"9223372036854775808","e":-9}'
    )


@pytest.mark.parametrize(
    "body",
    ["", "{", "{'a': 1}", "[1,]", '{"a": 1} {}', b'"\xff"', '{"a": 1, "a": 2}', "[" * 60_000],
)
def test_what_is_no_json_is_refused_as_a_whole(body: bytes | str) -> None:
    with pytest.raises(Problem) as refused:
        parsed(body)
    assert (refused.value.status, refused.value.code) == (400, "malformed")


def test_a_body_that_is_too_large_is_not_read() -> None:
    stream = BytesIO(b'"' + b"a" * 2_000_000 + b'"')
    with pytest.raises(Problem) as refused:
        StrictJson().parse(stream)
    assert (refused.value.status, stream.tell()) == (413, LARGEST_BODY + 1)


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ("2026-11-27T16:00:00-05:00", "2026-11-27T21:00:00+00:00"),
        ("2026-11-27t16:00:00z", "2026-11-27T16:00:00+00:00"),
        ("2026-11-27 16:00+00:00", "2026-11-27T16:00:00+00:00"),
    ],
)
def test_an_instant_is_read_with_its_offset(written: str, means: str) -> None:
    assert as_instant(written).isoformat() == means


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-27T16:00:00",
        "2026-02-30T10:00:00Z",
        "tomorrow",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-12:00",
        "２０２６-11-27T16:00:00Z",
        "2026-W48-5",
        1767225600,
        True,
        None,
    ],
)
def test_what_is_no_instant_is_refused(written: object) -> None:
    with pytest.raises(ValueError):
        as_instant_or_day(written)
