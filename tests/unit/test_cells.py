"""Cells of CSV files: no spreadsheet runs them, and they are read as they were."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.bulk.cells import csv_text, meant, neutral

RUN_BY_SPREADSHEETS = "=+-@\t\r\n"
texts = st.text(st.sampled_from("'=+-@\t\r\n\",;a \u00e9\uff1d"), max_size=12) | st.text()


@given(texts)
def test_a_text_is_read_as_it_was_written(text: str) -> None:
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        return  # nothing that is stored has these
    assert meant(neutral(text)) == text
    (row,) = csv.reader(io.StringIO(csv_text([["x", neutral(text)]]), newline=""), strict=True)
    assert meant(row[1]) == text


@given(texts)
def test_no_cell_begins_as_a_formula(text: str) -> None:
    assert not neutral(text).startswith(tuple(RUN_BY_SPREADSHEETS))


@pytest.mark.parametrize("text", ["'tis mine", "it's", "'", "''", "", "plain", "a=b"])
def test_what_is_harmless_stays_as_it_is(text: str) -> None:
    assert neutral(text) == meant(text) == text
