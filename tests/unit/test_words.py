"""Spans and instants as people say them."""

from datetime import UTC, datetime, timedelta

import pytest

from actions.words import relative, span

NOW = datetime(2026, 11, 17, 15, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(seconds=-3), "0 s"),
        (timedelta(seconds=59.9), "59 s"),
        (timedelta(seconds=60), "1 min"),
        (timedelta(minutes=59, seconds=59), "59 min"),
        (timedelta(hours=3, minutes=12, seconds=40), "3 h 12 min"),
        (timedelta(hours=2), "2 h"),
        (timedelta(days=1, hours=5), "1 day 5 h"),
        (timedelta(days=2), "2 days"),
        (timedelta(days=20, hours=5), "20 days"),
    ],
)
def test_a_span_is_told_in_its_two_largest_units(length: timedelta, words: str) -> None:
    assert span(length) == words


@pytest.mark.parametrize(
    ("away", "words"),
    [
        (timedelta(seconds=-4), "now"),
        (timedelta(seconds=4), "now"),
        (timedelta(minutes=-5), "5 min ago"),
        (timedelta(hours=3, minutes=12), "in 3 h 12 min"),
    ],
)
def test_an_instant_is_told_as_seen_from_now(away: timedelta, words: str) -> None:
    assert relative(NOW + away, NOW) == words
