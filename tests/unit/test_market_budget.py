"""What a plan's credits allow, and whom they are spent on."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.budget import (
    Candidate,
    Plan,
    Spent,
    credits_left,
    distance,
    most_wanted,
    nearest,
    next_day,
    next_minute,
)
from market.hours import Exchange

EXCHANGE = Exchange()
FREE = Plan(per_minute=8, per_day=800)
OPEN = datetime(2026, 11, 17, 14, 30, tzinfo=UTC)  # a Tuesday's session: 14:30 to 21:00 UTC
MINUTE = timedelta(minutes=1)


def left(plan: Plan, spent: Spent, now: datetime, *, paced: bool = True) -> int:
    return credits_left(plan, spent, now, EXCHANGE, paced=paced)


def test_a_minute_has_its_credits_once() -> None:
    spent = Spent().at(OPEN).and_also(5)
    assert left(FREE, spent, OPEN + timedelta(seconds=59)) == 3
    assert left(FREE, spent, OPEN + MINUTE) == 8


def test_a_day_has_its_credits_once() -> None:
    now = OPEN + timedelta(hours=6)
    spent = Spent(on_day=799, day=now.date())
    assert left(FREE, spent, now, paced=False) == 1
    assert left(FREE, spent, now + timedelta(days=1), paced=False) == 8


@pytest.mark.parametrize("plan", [FREE, Plan(55, 2000), Plan(8, 8), Plan(8, 5000), Plan(610, None)])
def test_whoever_spends_all_that_he_may_can_still_ask_in_the_last_minute(plan: Plan) -> None:
    spent = Spent()
    by_hour = dict.fromkeys(range(7), 0)
    for minute in range(390):
        now = OPEN + minute * MINUTE
        credits = left(plan, spent, now)
        spent = spent.at(now).and_also(credits)
        by_hour[minute // 60] += credits
    assert plan.per_day is None or spent.on_day <= plan.per_day
    if plan.per_day and plan.per_day > 100:
        assert min(by_hour.values()) >= min(plan.per_day, plan.per_minute * 390) / 390 * 28


def test_before_the_session_little_of_a_day_is_spent_and_after_it_the_rest() -> None:
    dawn, night = OPEN - timedelta(hours=2), OPEN + timedelta(hours=8)
    some = Spent(day=OPEN.date(), on_day=60)
    assert left(FREE, some, dawn) == 0
    assert left(FREE, some, dawn, paced=False) == 8
    assert left(FREE, some, night) == 8


@pytest.mark.parametrize(("told", "may"), [(8, 3), (2, 2), (0, 0)])
def test_a_provider_that_counts_less_is_believed(told: int, may: int) -> None:
    spent = Spent().at(OPEN).and_also(5).as_told(FREE, told)
    assert left(FREE, spent, OPEN) == may


def test_credits_come_back_with_the_minute_and_at_midnight_utc() -> None:
    now = datetime(2026, 11, 17, 18, 30, 59, 5, tzinfo=UTC)
    assert next_minute(now) == datetime(2026, 11, 17, 18, 31, tzinfo=UTC)
    assert next_day(now) == datetime(2026, 11, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    ("price", "below", "above", "far"),
    [
        ("100", "90", None, "0.1"),
        ("100", None, "101", "0.01"),
        ("100", "90", "101", "0.01"),
        ("100", "110", "101", "0"),
        ("100", None, None, None),
        (None, "90", "101", None),
    ],
)
def test_the_distance_to_a_trigger_is_a_part_of_the_price(
    price: str | None, below: str | None, above: str | None, far: str | None
) -> None:
    values = [Decimal(text) if text else None for text in (price, below, above)]
    assert distance(*values) == (Decimal(far) if far else None)


def candidate(symbol: str, age: int | None, far: str | None) -> Candidate:
    answered = None if age is None else OPEN - timedelta(seconds=age)
    return Candidate(symbol, answered, Decimal(far) if far else None)


def test_the_nearest_to_a_trigger_come_first_and_those_without_a_price_before_all() -> None:
    wanted = [
        candidate("FAR", 60, "0.3"),
        candidate("NEAR", 60, "0.01"),
        candidate("NEW", None, None),
        candidate("NONE", 60, None),
        candidate("NEARER", 60, "0"),
    ]
    assert most_wanted(wanted, OPEN, 4) == ["NEW", "NEARER", "NEAR", "NONE"]
    assert most_wanted(wanted, OPEN, 0) == []


@given(
    st.lists(st.decimals(0, 5, places=3), min_size=2, max_size=40),
    st.integers(1, 8),
)
def test_nobody_is_passed_over_for_ever(distances: list[Decimal], credits: int) -> None:
    """However near others stay to their triggers, each symbol is asked for now and then."""
    answered: dict[str, datetime | None] = {f"S{n:02}": None for n in range(len(distances))}
    far = dict(zip(answered, distances, strict=True))
    last_asked = dict.fromkeys(answered, 0)
    # The farthest waits until its age outweighs the nearest's share: no longer than this.
    ratio = (float(max(distances)) + 0.01) / (float(min(distances)) + 0.01)
    most = int(len(distances) / credits * (ratio + 2)) + 2
    for minute in range(1, min(most * 2, 400)):
        now = OPEN + minute * MINUTE
        candidates = [Candidate(name, answered[name], far[name]) for name in answered]
        for name in most_wanted(candidates, now, credits):
            answered[name] = now
            assert minute - last_asked[name] <= most
            last_asked[name] = minute
        assert all(minute - asked <= most for asked in last_asked.values())


@pytest.mark.parametrize(
    ("plan", "symbols_a_credit", "row"),
    [
        (FREE, 1, "2 | 0 | 2 | 6"),
        (Plan(55), 1, "55 | 9 | 55 | 165"),
        (Plan(610), 1, "610 | 101 | 610 | 1,830"),
        (Plan(200), 200, "40,000 | 6,600 | 40,000 | 120,000"),
    ],
)
def test_a_plan_carries_what_the_docs_say(plan: Plan, symbols_a_credit: int, row: str) -> None:
    spent, total = Spent(), 0
    for minute in range(390):
        now = OPEN + minute * MINUTE
        credits = left(plan, spent, now)
        spent, total = spent.at(now).and_also(credits), total + credits
    in_minute = total / 390
    carried = [int(in_minute * minutes) * symbols_a_credit for minutes in (1 / 6, 1, 3)]
    average = f"{in_minute * symbols_a_credit:,.1f}".removesuffix(".0")
    assert " | ".join([average, *(f"{symbols:,}" for symbols in carried)]) == row
    docs = (Path(__file__).parents[2] / "docs" / "market-data.md").read_text()
    assert f"| {row} |" in docs


def test_the_nearest_to_a_trigger_are_streamed_and_two_that_are_as_near_do_not_change_places() -> (
    None
):
    away = {
        "FAR": Decimal("0.2"),
        "NEAR": Decimal("0.05"),
        "NONE": None,
        "AS_NEAR": Decimal("0.045"),
    }
    assert nearest(away, (), 2) == ["AS_NEAR", "NEAR"]
    assert nearest(away, ("NEAR",), 1) == ["NEAR"]
    assert nearest(away, ("FAR", "NONE"), 2) == ["AS_NEAR", "NEAR"]
    assert nearest(away, (), 9) == ["AS_NEAR", "NEAR", "FAR", "NONE"]
