"""The examples of docs/chat.md are read as it says."""

import re
from pathlib import Path

import pytest

from tests.unit.test_phrases import understood

PAGE = Path(__file__).resolve().parents[2] / "docs" / "chat.md"
ROWS = re.findall(r"^\| (.+?) \| (.+?) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)[1:]


def test_the_page_has_examples() -> None:
    assert len(ROWS) > 10


@pytest.mark.parametrize(("text", "reads"), ROWS)
def test_an_example_is_read_as_the_page_says(text: str, reads: str) -> None:
    assert understood(text).text == reads
