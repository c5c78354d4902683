"""Arrays in their text form arrive at PostgreSQL as what they were."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from market.arrays import text_array
from market.bulk import run

pytestmark = pytest.mark.django_db

# PostgreSQL's text holds neither a NUL nor half of a surrogate pair.
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(st.lists(st.none() | TEXTS))
@example([])
@example([""])
@example(["AAPL", "BRK.B"])
@example(["AAPL", None])
@example(['","'])
@example(["a\\", "b"])
@example(["NULL", "{}", " "])
def test_any_texts_come_back_as_they_were(texts: list[str | None]) -> None:
    ((arrived,),) = run("SELECT %s::text[]", [text_array(texts)])
    assert arrived == texts
