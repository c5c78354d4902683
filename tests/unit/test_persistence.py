"""Those who run the site are told of what lasts, once, and of its end, once."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from actions.persistence import Course, News, followed, news

MINUTE = timedelta(minutes=1)
PATIENCE = 5 * MINUTE
NOON = datetime(2026, 11, 17, 12, tzinfo=UTC)


def story(found: str) -> list[tuple[int, News]]:
    """What is told in the course of minutes, each wrong (x) or well (.), and in which."""
    course = Course()
    told = []
    for minute, mark in enumerate(found):
        now = NOON + minute * MINUTE
        course = followed(course, is_bad=mark == "x", now=now, patience=PATIENCE)
        if what := news(course, now=now, patience=PATIENCE):
            told.append((minute, what))
            course = Course(course.bad_since, course.good_since, is_told=what is News.WRONG)
    return told


def test_what_is_wrong_for_a_moment_is_not_told() -> None:
    assert story("..xxxxx......") == []


def test_what_stays_wrong_is_told_once_and_so_is_its_end() -> None:
    assert story("..xxxxxxxxxx........") == [(7, News.WRONG), (17, News.OVER)]


def test_a_moment_in_which_all_is_well_does_not_begin_it_anew() -> None:
    assert story("xxx.xx.xxx..x") == [(5, News.WRONG)]


def test_it_is_told_while_it_is_wrong_and_not_in_a_good_moment() -> None:
    assert story("xxxx......x") == []
    assert story("xxxx....x") == [(8, News.WRONG)]


def test_after_its_end_it_may_be_told_again() -> None:
    assert story("xxxxxx......xxxxxx") == [(5, News.WRONG), (11, News.OVER), (17, News.WRONG)]


@given(st.text(alphabet="x.", max_size=60))
def test_the_end_is_told_of_what_was_told_and_nothing_twice_in_a_row(found: str) -> None:
    told = [what for _, what in story(found)]
    assert told == [News.WRONG, News.OVER] * (len(told) // 2) + [News.WRONG] * (len(told) % 2)


@given(st.text(alphabet="x.", max_size=60))
def test_between_two_tellings_lies_the_time_that_it_takes(found: str) -> None:
    minutes = [minute for minute, _ in story(found)]
    assert all(later - earlier >= 5 for earlier, later in pairwise(minutes))
