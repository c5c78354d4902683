"""Arrays in their text form arrive at PostgreSQL as what they were."""

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from market.arrays import age_array, text_array
from market.bulk import run

pytestmark = pytest.mark.django_db

# PostgreSQL's text holds neither a NUL nor half of a surrogate pair.
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
INSTANTS = st.datetimes(
    datetime(1900, 1, 1),  # noqa: DTZ001 -- Hypothesis wants them without their zone
    datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


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


@given(st.lists(INSTANTS), INSTANTS)
@example([datetime(2026, 11, 17, 15, 0, 5, 1, tzinfo=UTC)], datetime(2026, 11, 17, 15, tzinfo=UTC))
def test_instants_come_back_to_the_microsecond_from_their_ages(
    instants: list[datetime], now: datetime
) -> None:
    rows = run(
        "SELECT %s::timestamptz - interval '1 microsecond' * age"
        "  FROM unnest(%s::bigint[]) WITH ORDINALITY AS said(age, place) ORDER BY place",
        [now, age_array(instants, now)],
    )
    assert [arrived for (arrived,) in rows] == instants
