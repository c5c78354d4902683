"""What is typed into the admin's search, read as what it may be."""

from uuid import UUID

import pytest

from support.search import Term

ID = UUID("1f9e0c3a-7b52-4a11-9c0e-5d2f3a4b6c7d")


@pytest.mark.parametrize("length", [4, 8, 9, 20, 36])
def test_the_beginning_of_an_id_spans_the_ids_that_begin_so(length: int) -> None:
    for typed in (str(ID)[:length], f"  {str(ID)[:length].upper()} "):
        span = Term(typed).ids
        assert span is not None
        least, greatest = span
        assert least <= ID <= greatest
        shared = str(ID)[:length].replace("-", "")
        assert least.hex.startswith(shared)
        assert greatest.hex.startswith(shared)
    assert Term(str(ID)).ids == (ID, ID)


@pytest.mark.parametrize(
    "typed", ["", "1f9", "ada@example.org", "AAPL", "g" * 8, "1" * 33, "12 34"]
)
def test_what_begins_no_id_spans_none(typed: str) -> None:
    assert Term(typed).ids is None


@pytest.mark.parametrize(
    ("typed", "symbol"),
    [
        ("aapl", "AAPL"),
        (" BRK.B ", "BRK.B"),
        ("face", "FACE"),
        ("a b", None),
        ("a@b", None),
        ("", None),
    ],
)
def test_a_symbol_is_meant_in_any_case(typed: str, symbol: str | None) -> None:
    assert Term(typed).symbol == symbol
