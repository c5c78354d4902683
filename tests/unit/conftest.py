"""Builders for the pure core: a rule, what it sees, and a market that opens and closes on order."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from actions.registry import parse_effect, parse_trigger
from actions.rules import Effect, Rule, View
from market.hours import AlwaysOpen, TradingCalendar
from market.quotes import Sample

NOW = datetime(2026, 11, 17, 15, 0, tzinfo=UTC)  # a Tuesday in a session of the New York exchange
SECOND = timedelta(seconds=1)
MAX_AGE = timedelta(seconds=60)

BUY_TEN = parse_effect("BUY", sizes={"quantity": "10"}, params={})
NOTIFY = parse_effect("NOTIFY", sizes={}, params={})


class HourlySessions:
    """Each hour since `START` is a day with one session: its first 40 minutes."""

    START = datetime(2026, 1, 1, tzinfo=UTC)
    LENGTH = timedelta(minutes=40)

    def is_open(self, at: datetime) -> bool:
        return (at - self.START) % timedelta(hours=1) < self.LENGTH

    def next_open(self, at: datetime) -> datetime:
        return at - (at - self.START) % timedelta(hours=1) + timedelta(hours=1)

    def next_close(self, at: datetime) -> datetime:
        opened = at - (at - self.START) % timedelta(hours=1)
        close = opened + self.LENGTH
        return close if at < close else close + timedelta(hours=1)

    def close_of(self, day: date) -> datetime:
        return self.START + timedelta(hours=(day - self.START.date()).days) + self.LENGTH

    def last_close_until(self, day: date) -> datetime:
        return self.close_of(day)

    def last_close(self, at: datetime) -> datetime:
        return self.next_close(at) - timedelta(hours=1)

    def session_at(self, at: datetime) -> date | None:
        hours = (at - self.START) // timedelta(hours=1)
        return self.START.date() + timedelta(days=hours) if self.is_open(at) else None

    def previous_session(self, day: date) -> date:
        return day - timedelta(days=1)

    def next_session(self, day: date) -> date:
        return day + timedelta(days=1)


class HourlyWithoutBreaks(HourlySessions):
    """The same without a break: one session's close is the next one's open, as in a replay."""

    LENGTH = timedelta(hours=1)


def a_rule(
    trigger_type: str = "price_below",
    trigger_params: Mapping[str, Any] | None = None,
    *,
    effect: Effect = BUY_TEN,
    symbol: str | None = "AAPL",
    **more: Any,
) -> Rule:
    """Buy 10 AAPL at or below $150, valid since an hour ago, unless told otherwise."""
    params = {"threshold": "150"} if trigger_params is None else trigger_params
    return Rule(
        **{
            "id": None,
            "symbol": symbol,
            "trigger": parse_trigger(trigger_type, params),
            "effect": effect,
            "valid_from": NOW - timedelta(hours=1),
            **more,
        }
    )


def a_view(
    now: datetime = NOW,
    *,
    calendar: TradingCalendar | None = None,
    age: timedelta = timedelta(0),
    woken_at: datetime | None = None,
    **prices: str | Decimal | Sample,
) -> View:
    """What is seen at `now`: a price for each symbol named, `age` old when the rule was woken."""
    woken_at = now if woken_at is None else woken_at
    return View(
        now=now,
        woken_at=woken_at,
        calendar=AlwaysOpen() if calendar is None else calendar,
        max_age=MAX_AGE,
        quotes={
            symbol: price
            if isinstance(price, Sample)
            else Sample(symbol=symbol, price=Decimal(price), as_of=woken_at - age)
            for symbol, price in prices.items()
        },
    )
