"""One look at one rule: what it finds, what the rule remembers, and when it is looked at next."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from actions.judge import Finding, Verdict, judge
from actions.limits import Gate
from actions.rules import ANY_PRICE, Band, Rule, Status, Wake
from tests.unit.conftest import (
    MAX_AGE,
    NOTIFY,
    NOW,
    SECOND,
    HourlySessions,
    a_rule,
    a_view,
)

MOMENT = timedelta(microseconds=1)
LATER = NOW + 300 * SECOND
OPENS = HourlySessions.START + timedelta(hours=1)
CLOSED = OPENS - timedelta(minutes=10)
BELOW_150 = {"AAPL": Band(below=Decimal(150))}
RISES_TO_200 = {"threshold": "200", "on": "cross"}
UNARMED = {"AAPL": Band(below=Decimal("199.999999"))}
ARMED = {"AAPL": Band(above=Decimal(200))}


def cooling(**changes: Any) -> Rule:
    """Rises to $200, every time: triggered just now, and not again for five minutes."""
    return a_rule(
        "price_above",
        RISES_TO_200,
        **{
            "max_executions": None,
            "cooldown_seconds": 300,
            "last_triggered_at": NOW,
            "executions_count": 1,
            **changes,
        },
    )


def after(rule: Rule, verdict: Verdict) -> Rule:
    return rule.with_state(verdict.state)


# --- All gates open ---


def test_a_true_rule_is_found_fired_with_the_reason() -> None:
    verdict = judge(a_rule(), a_view(AAPL="150"))
    assert (verdict.finding, verdict.gate, verdict.faults) == (Finding.FIRED, None, 0)
    assert verdict.reason == "AAPL at $150.00 is at or below $150.00."


def test_a_rule_that_is_not_true_sleeps_in_its_band() -> None:
    verdict = judge(a_rule(), a_view(AAPL="150.000001"))
    assert (verdict.finding, verdict.gate) == (Finding.NOT_FIRED, None)
    assert verdict.wake == Wake(BELOW_150)
    assert verdict.reason == "AAPL at $150.000001 is not at or below $150.00."


def test_what_the_trigger_saw_is_remembered() -> None:
    rule = a_rule("price_above", RISES_TO_200)
    beyond = judge(rule, a_view(AAPL="201"))
    assert (beyond.finding, beyond.state, beyond.wake) == (Finding.NOT_FIRED, {}, Wake(UNARMED))
    below = judge(after(rule, beyond), a_view(AAPL="199"))
    assert (below.state, below.wake) == ({"armed": True}, Wake(ARMED))
    above = judge(after(rule, below), a_view(AAPL="200"))
    assert (above.finding, above.state) == (Finding.FIRED, {})


# --- Nothing to judge by ---


@pytest.mark.parametrize("state", [{}, {"armed": True}])
def test_without_a_quote_nothing_is_known_and_any_price_wakes_the_rule(
    state: dict[str, bool],
) -> None:
    rule = a_rule("price_above", RISES_TO_200, state=state)
    verdict = judge(rule, a_view())
    assert (verdict.finding, verdict.gate) == (Finding.UNKNOWN, None)
    assert verdict.reason == "There is no quote for AAPL yet."
    assert verdict.state == state
    assert verdict.wake == Wake({"AAPL": ANY_PRICE})


def test_the_lowest_price_that_there_can_be_is_any_price() -> None:
    assert Band(above=Decimal("0.000001")) == ANY_PRICE


def test_a_quote_is_fresh_at_its_full_age_and_stale_after_it() -> None:
    fresh = judge(a_rule(), a_view(age=MAX_AGE, AAPL="150"))
    assert fresh.finding is Finding.FIRED
    stale = judge(a_rule(), a_view(age=MAX_AGE + SECOND, AAPL="150"))
    assert stale.finding is Finding.UNKNOWN
    assert stale.reason == "The last quote for AAPL was 61 s old, too old to act on."
    assert stale.wake == Wake({"AAPL": ANY_PRICE})
    just_stale = judge(a_rule(), a_view(age=MAX_AGE + MOMENT, AAPL="150"))
    assert just_stale.finding is Finding.UNKNOWN


def test_a_quote_is_judged_by_its_age_when_it_woke_the_rule_however_late_the_look_is() -> None:
    late = NOW + timedelta(hours=1)
    took_over = a_view(late, woken_at=NOW, age=MAX_AGE, AAPL="150")
    assert judge(a_rule(), took_over).finding is Finding.FIRED
    stale_then = a_view(late, woken_at=NOW, age=MAX_AGE + SECOND, AAPL="150")
    assert judge(a_rule(), stale_then).finding is Finding.UNKNOWN


def test_the_quote_of_the_symbol_that_is_traded_is_needed_too() -> None:
    rule = a_rule("price_below", {"threshold": "150", "symbol": "SPY"})
    assert judge(rule, a_view(SPY="150")).reason == "There is no quote for AAPL yet."
    assert judge(rule, a_view(AAPL="1")).reason == "There is no quote for SPY yet."
    assert judge(rule, a_view(AAPL="1", SPY="150")).finding is Finding.FIRED
    notice = a_rule("price_below", {"threshold": "150", "symbol": "SPY"}, effect=NOTIFY)
    assert judge(notice, a_view(SPY="150")).finding is Finding.FIRED


def test_a_crossing_is_armed_while_the_symbol_that_is_only_traded_has_no_quote() -> None:
    rule = a_rule("price_above", RISES_TO_200 | {"symbol": "SPY"})
    blind = judge(rule, a_view(SPY="199"))
    assert blind.finding is not Finding.FIRED
    crossing = judge(after(rule, blind), a_view(LATER, SPY="200", AAPL="10"))
    assert crossing.finding is Finding.FIRED


# --- Behind a shut gate ---


def test_a_crossing_that_is_armed_during_the_cooldown_counts_afterwards() -> None:
    rule = cooling()
    begun = judge(rule, a_view(NOW + SECOND, AAPL="201"))
    assert (begun.finding, begun.gate) == (Finding.BLOCKED, Gate.COOLDOWN)
    assert begun.wake == Wake(UNARMED, at=LATER)

    back = judge(after(rule, begun), a_view(NOW + 10 * SECOND, AAPL="199"))
    assert (back.finding, back.gate) == (Finding.BLOCKED, Gate.COOLDOWN)
    assert back.state == {"armed": True}
    assert back.wake == Wake(ARMED, at=LATER)

    over = judge(after(rule, back), a_view(LATER, AAPL="200"))
    assert over.finding is Finding.FIRED


def test_a_crossing_during_the_cooldown_fires_after_it_while_the_price_is_still_beyond() -> None:
    rule = cooling(state={"armed": True})
    crossed = judge(rule, a_view(NOW + 10 * SECOND, AAPL="201"))
    assert (crossed.finding, crossed.state) == (Finding.BLOCKED, {"armed": True})
    assert crossed.wake == Wake(at=LATER)
    assert judge(after(rule, crossed), a_view(LATER, AAPL="201")).finding is Finding.FIRED
    assert judge(after(rule, crossed), a_view(LATER, AAPL="199")).finding is Finding.NOT_FIRED


@pytest.mark.parametrize(
    ("changes", "now", "gate", "opens"),
    [
        (
            {"cooldown_seconds": 300, "last_triggered_at": NOW, "max_executions": 2},
            NOW + SECOND,
            Gate.COOLDOWN,
            LATER,
        ),
        (
            {"consecutive_failures": 1, "last_triggered_at": NOW},
            NOW,
            Gate.COOLDOWN,
            NOW + 60 * SECOND,
        ),
        ({"valid_from": HourlySessions.START}, CLOSED, Gate.SESSION, OPENS),
        ({"valid_from": LATER}, NOW, Gate.VALIDITY, LATER),
    ],
)
def test_a_rule_that_is_blocked_while_true_sleeps_until_exactly_the_gate_opens(
    changes: dict[str, Any], now: datetime, gate: Gate, opens: datetime
) -> None:
    calendar = HourlySessions() if gate is Gate.SESSION else None
    verdict = judge(a_rule(**changes), a_view(now, calendar=calendar, AAPL="149"))
    assert (verdict.finding, verdict.gate) == (Finding.BLOCKED, gate)
    assert verdict.reason
    assert verdict.wake == Wake(at=opens)
    assert judge(a_rule(**changes), a_view(opens, AAPL="149")).finding is Finding.FIRED


def test_a_rule_that_is_blocked_while_not_true_keeps_its_band_as_well() -> None:
    rule = a_rule(valid_from=HourlySessions.START)
    verdict = judge(rule, a_view(CLOSED, calendar=HourlySessions(), AAPL="151"))
    assert (verdict.finding, verdict.gate) == (Finding.BLOCKED, Gate.SESSION)
    assert verdict.wake == Wake(BELOW_150, at=OPENS)


def test_before_it_is_valid_a_rule_does_not_follow_the_market() -> None:
    rule = a_rule("price_above", RISES_TO_200, valid_from=LATER)
    verdict = judge(rule, a_view(AAPL="199"))
    assert (verdict.finding, verdict.state, verdict.wake) == (
        Finding.BLOCKED,
        {},
        Wake(at=LATER),
    )
    # So a crossing before it is valid arms nothing.
    assert judge(after(rule, verdict), a_view(LATER, AAPL="201")).finding is Finding.NOT_FIRED


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.ACTIVE])
def test_a_rule_that_is_not_active_neither_follows_nor_waits(status: Status) -> None:
    rule = a_rule("price_above", RISES_TO_200, status=status)
    verdict = judge(rule, a_view(AAPL="199"))
    assert (verdict.finding, verdict.gate) == (Finding.BLOCKED, Gate.STATUS)
    assert (verdict.state, verdict.wake) == ({}, Wake())


def test_a_rule_that_was_executed_as_often_as_it_may_waits_for_nothing() -> None:
    verdict = judge(a_rule(executions_count=1), a_view(AAPL="149"))
    assert (verdict.finding, verdict.gate) == (Finding.BLOCKED, Gate.MAX_EXECUTIONS)
    assert verdict.wake == Wake()


def test_a_notice_fires_while_the_market_is_closed() -> None:
    rule = a_rule(effect=NOTIFY, valid_from=HourlySessions.START)
    view = a_view(CLOSED, calendar=HourlySessions(), AAPL="150")
    assert judge(rule, view).finding is Finding.FIRED


@pytest.mark.parametrize("quotes", [{}, {"age": MAX_AGE + SECOND, "AAPL": "201"}])
def test_a_blocked_rule_that_sees_no_fresh_quote_is_woken_by_the_next_one(
    quotes: dict[str, Any],
) -> None:
    verdict = judge(cooling(), a_view(NOW + SECOND, **quotes))
    assert (verdict.finding, verdict.gate) == (Finding.BLOCKED, Gate.COOLDOWN)
    assert verdict.wake == Wake({"AAPL": ANY_PRICE}, at=LATER)


# --- Its end ---


def test_an_expired_rule_has_expired_and_waits_for_nothing() -> None:
    rule = a_rule(valid_until=NOW, state={"armed": True})
    verdict = judge(rule, a_view(AAPL="149"))
    assert (verdict.finding, verdict.gate) == (Finding.EXPIRED, Gate.VALIDITY)
    assert verdict.reason == "The rule has expired."
    assert (verdict.state, verdict.wake) == ({"armed": True}, Wake())
    assert judge(rule, a_view(NOW - MOMENT, AAPL="149")).finding is Finding.FIRED


def test_a_rule_expires_without_any_quote_to_judge_by() -> None:
    assert judge(a_rule(valid_until=NOW), a_view()).finding is Finding.EXPIRED


END = NOW + 100 * SECOND


@pytest.mark.parametrize(
    ("rule", "prices", "finding"),
    [
        (a_rule(valid_until=END), {"AAPL": "151"}, Finding.NOT_FIRED),
        (a_rule(valid_until=END), {}, Finding.UNKNOWN),
        (cooling(valid_until=END), {"AAPL": "201"}, Finding.BLOCKED),
        (cooling(valid_until=END, state={"armed": True}), {"AAPL": "201"}, Finding.BLOCKED),
        (cooling(valid_until=END), {}, Finding.BLOCKED),
    ],
)
def test_a_rule_is_looked_at_no_later_than_when_it_ends(
    rule: Rule, prices: dict[str, str], finding: Finding
) -> None:
    verdict = judge(rule, a_view(**prices))  # type: ignore[arg-type]
    assert (verdict.finding, verdict.wake.at) == (finding, END)


def test_a_gate_that_opens_before_the_end_is_waited_for() -> None:
    rule = cooling(valid_until=LATER + SECOND)
    assert judge(rule, a_view(AAPL="201")).wake.at == LATER


# --- Same question, same answer ---


def test_judging_is_pure() -> None:
    rule = a_rule("price_above", RISES_TO_200, state={"armed": True})
    view = a_view(AAPL="200")
    assert judge(rule, view) == judge(rule, view)
    assert rule.state == {"armed": True}
