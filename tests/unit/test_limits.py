"""The gates before a trigger counts: what shuts each, when it opens, and which is asked first."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from actions.limits import GATES, Gate, Refused, cooldown_ends, first_refusal, has_expired
from actions.rules import Rule, Status
from actions.words import times
from market.hours import Exchange
from tests.unit.conftest import NOTIFY, NOW, SECOND, HourlySessions, a_rule, a_view

MOMENT = timedelta(microseconds=1)
CLOSED = HourlySessions.START + timedelta(minutes=50)


def refusal(rule: Rule, now: datetime = NOW) -> Refused | None:
    return first_refusal(rule, a_view(now))


def gate(rule: Rule, now: datetime = NOW) -> Gate | None:
    refused = refusal(rule, now)
    return refused.gate if refused else None


def test_a_rule_that_nothing_stops_passes() -> None:
    assert refusal(a_rule()) is None


# --- Validity ---


def test_a_rule_is_valid_from_its_first_instant_on() -> None:
    rule = a_rule(valid_from=NOW)
    assert refusal(rule, NOW) is None
    assert refusal(rule, NOW - MOMENT) == Refused(
        Gate.VALIDITY, "The rule is not valid yet.", until=NOW, tracks=False
    )


def test_a_rule_is_no_longer_valid_at_its_last_instant() -> None:
    rule = a_rule(valid_until=NOW)
    assert refusal(rule, NOW - MOMENT) is None
    assert refusal(rule, NOW) == Refused(
        Gate.VALIDITY, "The rule has expired.", until=None, tracks=False
    )
    assert not has_expired(rule, NOW - MOMENT)
    assert has_expired(rule, NOW)


def test_a_rule_without_an_end_never_expires() -> None:
    rule = a_rule(valid_until=None)
    assert not has_expired(rule, datetime.max.replace(tzinfo=UTC))


# --- Status ---


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.ACTIVE])
def test_only_an_active_rule_passes(status: Status) -> None:
    assert refusal(a_rule(status=status)) == Refused(
        Gate.STATUS, f"The rule is {status.value}.", until=None, tracks=False
    )


# --- Session ---


def test_a_trade_waits_for_the_session() -> None:
    calendar = HourlySessions()
    opens = HourlySessions.START + timedelta(hours=1)
    closes = opens + HourlySessions.LENGTH
    rule = a_rule(valid_from=HourlySessions.START)
    shut = Refused(Gate.SESSION, "The market is closed.", until=opens)
    assert shut.tracks
    assert first_refusal(rule, a_view(opens - MOMENT, calendar=calendar)) == shut
    assert first_refusal(rule, a_view(opens, calendar=calendar)) is None
    assert first_refusal(rule, a_view(closes - MOMENT, calendar=calendar)) is None
    at_close = first_refusal(rule, a_view(closes, calendar=calendar))
    assert at_close is not None
    assert at_close.until == opens + timedelta(hours=1)


def test_a_notice_does_not_wait_for_the_session() -> None:
    rule = a_rule(effect=NOTIFY, valid_from=HourlySessions.START)
    assert first_refusal(rule, a_view(CLOSED, calendar=HourlySessions())) is None


def test_a_trade_at_a_weekend_waits_for_monday_and_one_on_a_half_day_for_the_next_session() -> None:
    saturday = datetime(2026, 11, 21, 15, tzinfo=UTC)
    refused = first_refusal(a_rule(), a_view(saturday, calendar=Exchange()))
    assert refused is not None
    assert refused.until == datetime(2026, 11, 23, 14, 30, tzinfo=UTC)
    early_close = datetime(2026, 11, 27, 18, tzinfo=UTC)  # 13:00 on the day after Thanksgiving
    assert first_refusal(a_rule(), a_view(early_close - MOMENT, calendar=Exchange())) is None
    refused = first_refusal(a_rule(), a_view(early_close, calendar=Exchange()))
    assert refused is not None
    assert refused.until == datetime(2026, 11, 30, 14, 30, tzinfo=UTC)


# --- Cooldown ---


def test_a_gap_of_exactly_the_cooldown_is_enough() -> None:
    rule = a_rule(cooldown_seconds=300, last_triggered_at=NOW, max_executions=None)
    over = NOW + 300 * SECOND
    assert cooldown_ends(rule) == over
    assert refusal(rule, over) is None
    shut = refusal(rule, over - MOMENT)
    assert shut is not None
    assert (shut.gate, shut.until, shut.tracks) == (Gate.COOLDOWN, over, True)


@pytest.mark.parametrize(
    ("cooldown", "failures", "seconds"),
    [
        (None, 0, None),
        (0, 0, None),
        (1, 0, 1),
        (300, 0, 300),
        (None, 1, 60),
        (0, 1, 60),
        (None, 2, 60),
        (10, 1, 10),  # its own cooldown counts, even where it is shorter
        (300, 2, 300),
    ],
)
def test_after_a_failure_a_rule_without_a_cooldown_waits_a_minute(
    cooldown: int | None, failures: int, seconds: int | None
) -> None:
    rule = a_rule(cooldown_seconds=cooldown, consecutive_failures=failures, last_triggered_at=NOW)
    if seconds is None:
        assert cooldown_ends(rule) is None
        assert refusal(rule, NOW) is None
    else:
        assert cooldown_ends(rule) == NOW + seconds * SECOND
        assert gate(rule, NOW + seconds * SECOND - MOMENT) is Gate.COOLDOWN
        assert refusal(rule, NOW + seconds * SECOND) is None


def test_a_rule_that_was_never_triggered_has_nothing_to_cool_down_from() -> None:
    assert refusal(a_rule(cooldown_seconds=300, last_triggered_at=None)) is None


# --- How often ---


@pytest.mark.parametrize(
    ("most", "count", "passes"),
    [(1, 0, True), (1, 1, False), (3, 2, True), (3, 3, False), (3, 4, False), (None, 10**6, True)],
)
def test_a_rule_passes_as_often_as_it_may(most: int | None, count: int, passes: bool) -> None:
    refused = refusal(a_rule(max_executions=most, executions_count=count))
    assert (refused is None) is passes
    if refused:
        assert (refused.gate, refused.until, refused.tracks) == (Gate.MAX_EXECUTIONS, None, False)
        assert times(count) in refused.reason


def test_what_was_done_a_single_time_was_done_once() -> None:
    refused = refusal(a_rule(max_executions=1, executions_count=1))
    assert refused is not None
    assert refused.reason == "The rule has been executed once, as often as it may."


# --- The order ---


def test_of_several_shut_gates_the_first_one_answers() -> None:
    shut: dict[Gate, dict[str, Any]] = {
        Gate.VALIDITY: {"valid_from": CLOSED + SECOND},
        Gate.STATUS: {"status": Status.PAUSED},
        Gate.SESSION: {},  # by the calendar
        Gate.COOLDOWN: {"cooldown_seconds": 300, "last_triggered_at": CLOSED - SECOND},
        Gate.MAX_EXECUTIONS: {"executions_count": 1},
    }
    assert list(shut) == list(GATES)
    answers = []
    while shut:
        changes: dict[str, Any] = {"valid_from": HourlySessions.START}
        for change in shut.values():
            changes |= change
        calendar = HourlySessions() if Gate.SESSION in shut else None
        refused = first_refusal(a_rule(**changes), a_view(CLOSED, calendar=calendar))
        assert refused is not None
        answers.append(refused.gate)
        shut.pop(refused.gate)
    assert answers == list(GATES)


@pytest.mark.parametrize("status", list(Status))
def test_an_expired_rule_has_expired_whatever_its_status(status: Status) -> None:
    assert gate(a_rule(status=status, valid_until=NOW)) is Gate.VALIDITY
