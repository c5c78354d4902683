"""When something has been wrong for so long that somebody must be told, and when it is over. Pure.

A moment in which all is well does not end what is wrong, nor does a moment of trouble make one: it
is wrong since it was first found so, until it has been well for as long as it takes to be told.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum


class News(StrEnum):
    """What is to be told."""

    WRONG = "wrong"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Course:
    """How it has gone: wrong since, well since (None: it is not at this moment), and whether those
    whom it concerns know that it is wrong."""

    bad_since: datetime | None = None
    good_since: datetime | None = None
    is_told: bool = False


def followed(course: Course, *, is_bad: bool, now: datetime, patience: timedelta) -> Course:
    """The course with what was found `now`."""
    if is_bad:
        return replace(course, bad_since=course.bad_since or now, good_since=None)
    if course.bad_since is None:
        return course
    good_since = course.good_since or now
    if now - good_since < patience:
        return replace(course, good_since=good_since)
    return replace(course, bad_since=None, good_since=None)


def news(course: Course, *, now: datetime, patience: timedelta) -> News | None:
    """What is to be told of it `now`: that it is wrong, once, and then that it is over."""
    if course.is_told:
        return None if course.bad_since else News.OVER
    if course.bad_since is None or course.good_since is not None:
        return None
    return News.WRONG if now - course.bad_since >= patience else None
