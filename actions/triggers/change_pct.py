"""The price has moved by a percentage, since a close or within minutes or hours."""

import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from actions.levels import above, below
from actions.marks import Mark
from actions.parts import Example
from actions.rules import ANY_PRICE, Band, Evaluation, Needs, Outcome, Rule, Trigger, View, Wake
from actions.triggers._levels import fires_at, measured_from
from actions.triggers._moves import (
    Percent,
    band,
    moved_in_words,
    percent_in_words,
    whose_price,
)
from actions.triggers._sessions import (
    SPARE,
    closed_before,
    is_of_this_session,
    last_close_before,
    missing,
)
from actions.triggers._words import day_in_words
from market.quotes import Sample
from portfolios.money import format_price

if TYPE_CHECKING:
    from actions.backtest.chart import Chart
    from actions.backtest.series import Ints

_WINDOW = re.compile(r"([1-9]\d{0,3})([dhm])", re.ASCII)
_MOST = {"d": 400, "h": 24, "m": 1440}
_UNITS = {"d": "session", "h": "hour", "m": "minute"}


def _window(value: object) -> object:
    text = value.strip().lower() if isinstance(value, str) else ""
    match = _WINDOW.fullmatch(text)
    if match is None:
        raise ValueError(
            "Use a whole number and a unit: 1d or 5d for sessions, 2h for hours, 30m for minutes."
        )
    if int(match[1]) > _MOST[match[2]]:
        raise ValueError(f"Use at most {_MOST[match[2]]}{match[2]}.")
    return text


class ChangePct(Trigger):
    """Fires when the price is `change` percent or more away from what it was `window` ago.

    `1d` is the previous session's close, `Nd` the close N sessions back; both hold for a whole
    session. They are unknown while the last session's bar is missing, unless the quote tells them.
    `Nm` and `Nh` are the last price at or before so long ago, which moves all the time.
    """

    title = "Moved by a percentage"
    summary = "Fires when the price has moved by a percentage that you choose."
    examples = (
        Example(
            {"change": "5", "direction": "down"},
            "when the price is 5 % or more below the previous close",
        ),
        Example(
            {"change": "10", "direction": "up", "window": "5d"},
            "when the price is 10 % or more above its close 5 sessions back",
        ),
        Example(
            {"change": "2.5", "window": "30m", "symbol": "SPY"},
            "when SPY's price is 2.5 % or more away from where it was 30 minutes ago",
        ),
        Example(
            {"change": "3", "direction": "down", "window": "1h"},
            "when the price is 3 % or more below where it was 1 hour ago",
        ),
    )

    direction: Literal["up", "down", "either"] = Field(
        "either", title="Direction", description="Whether it must have risen, fallen, or either."
    )
    change: Percent = Field(title="Change", description="By how many percent, at least.")
    window: Annotated[str, BeforeValidator(_window)] = Field(
        "1d",
        title="Compared with",
        description="1d: the previous session's close. 5d: the close 5 sessions back. "
        "30m or 2h: the price 30 minutes or 2 hours ago.",
    )

    @field_validator("change")
    @classmethod
    def _can_be(cls, change: Decimal, info: ValidationInfo) -> Decimal:
        if change >= 100 and info.data.get("direction") == "down":
            raise ValueError("A price cannot fall by 100 % or more.")
        return change

    def needs(self, rule: Rule) -> Needs:
        if self._span:
            return Needs(span=self._span)
        return Needs(sessions=self._count + SPARE)

    def evaluate(self, rule: Rule, view: View) -> Evaluation:
        (symbol,) = self.watched(rule)
        quote = view.quotes[symbol]
        reference = self._reference(symbol, quote.as_of, view)
        if reference is None:
            told = self._unknown(symbol, quote.as_of, view)
            return Evaluation(Outcome.UNKNOWN, told, rule.state)
        fired = self._moved(quote.price, reference)
        reason = (
            f"{symbol} at {format_price(quote.price)} is {moved_in_words(quote.price, reference)} "
            f"the {format_price(reference)} of {self._then}"
        )
        side = "above or below" if self.direction == "either" else self._side
        waits = "." if fired else f"; it waits for {percent_in_words(self.change)} {side}."
        return Evaluation(Outcome.FIRED if fired else Outcome.NOT_FIRED, reason + waits, rule.state)

    def watch(self, rule: Rule, view: View) -> Wake:
        (symbol,) = self.watched(rule)
        quote = view.quotes[symbol]
        return self._watch_window(quote, view) if self._span else self._watch_session(quote, view)

    def scan(self, rule: Rule, chart: "Chart") -> "Ints":
        then = chart.price_before(self._span) if self._span else chart.close_back(self._count)
        change = float(self.change) / 100
        found = []
        if self.direction != "up":
            found.append(chart.at_or_below(chart.price, then * (1 - change)))
        if self.direction != "down":
            found.append(chart.at_or_above(chart.price, then * (1 + change)))
        return chart.any_of(found)

    def describe(self, symbol: str | None) -> str:
        change = f"{percent_in_words(self.change)} or more {self._side}"
        since = "the previous close"
        if self._span:
            since = f"where it was {self._then}"
        elif self._count > 1:
            since = f"its {self._then.removeprefix('the ')}"
        return f"when {whose_price(self, symbol)} is {change} {since}"

    def annotate(self, rule: Rule, view: View) -> tuple[Mark, ...]:
        (symbol,) = self.watched(rule)
        reference = self._reference(symbol, view.now, view)
        if reference is None:
            return ()
        return (
            *measured_from(symbol, reference, self._reference_in_words),
            *fires_at(symbol, self._band(reference, reference)),
        )

    # --- What it compares with ---

    @property
    def _count(self) -> int:
        return int(self.window[:-1])

    @property
    def _span(self) -> timedelta | None:
        """The window of minutes or hours; None where it is one of sessions."""
        match self.window[-1]:
            case "m":
                return timedelta(minutes=self._count)
            case "h":
                return timedelta(hours=self._count)
        return None

    def _reference(self, symbol: str, at: datetime, view: View) -> Decimal | None:
        """What a price of `at` is compared with; None where it is not known."""
        if self._span:
            # The instant of the quote's verdict, whoever reaches it, and when.
            reference, _ = _as_of(view.woken_at - self._span, _samples(symbol, view))
            return reference.price if reference else None
        if self.window == "1d" and (told := _told_close(symbol, at, view)) is not None:
            return told
        closed = closed_before(symbol, at, view)
        if _missing(symbol, at, view) or len(closed) < self._count:
            return None
        return closed[-self._count].close

    def _moved(self, price: Decimal, reference: Decimal) -> bool:
        falls = self.direction != "up" and price <= below(reference, self.change)
        rises = self.direction != "down" and price >= above(reference, self.change)
        return falls or rises

    # --- When to look again ---

    def _watch_session(self, quote: Sample, view: View) -> Wake:
        """Sleeps in a band until the close, if the reference is known to hold until then."""
        close = view.calendar.next_close(view.now)
        reference = self._reference(quote.symbol, quote.as_of, view)
        if reference is None or not is_of_this_session(quote, view):
            return Wake({quote.symbol: ANY_PRICE}, at=close)
        return Wake({quote.symbol: self._band(reference, reference)}, at=close)

    def _watch_window(self, quote: Sample, view: View) -> Wake:
        """Sleeps in a band that is safe for every reference to come, as long as all are known."""
        span = self._span or timedelta(0)
        samples = _samples(quote.symbol, view)
        reference, later = _as_of(view.woken_at - span, samples)
        unknown_from = quote.as_of + span
        if unknown_from <= view.now:
            # The latest reference is this very quote: nothing happens before there is another.
            return Wake({quote.symbol: ANY_PRICE})
        prices = [sample.price for sample in ([reference] if reference else []) + list(later)]
        return Wake(
            {quote.symbol: self._band(max(prices), min(prices))},
            at=min([unknown_from, *self._fires_by_itself(quote.price, later, span)]),
        )

    def _fires_by_itself(
        self, price: Decimal, later: Iterable[Sample], span: timedelta
    ) -> Iterable[datetime]:
        """When the reference becomes one from which the price that stands has moved enough."""
        return (sample.as_of + span for sample in later if self._moved(price, sample.price))

    def _band(self, highest: Decimal, lowest: Decimal) -> Band:
        return band(
            below=None if self.direction == "up" else below(highest, self.change),
            above=None if self.direction == "down" else above(lowest, self.change),
        )

    # --- Words ---

    def _unknown(self, symbol: str, at: datetime, view: View) -> str:
        told = f"It is not known what {symbol} was at {self._then}"
        day = None if self._span else _missing(symbol, at, view)
        return f"{told}: the close of {day_in_words(day)} is missing." if day else f"{told}."

    @property
    def _then(self) -> str:
        if self.window == "1d":
            return "the previous session's close"
        unit = _UNITS[self.window[-1]] + ("s" if self._count > 1 else "")
        if self._span:
            return f"{self._count} {unit} ago"
        return f"the close {self._count} {unit} back"

    @property
    def _reference_in_words(self) -> str:
        if self.window == "1d":
            return "Previous close"
        return f"Price {self._then}" if self._span else self._then.removeprefix("the ").capitalize()

    @property
    def _side(self) -> str:
        return {"up": "above", "down": "below", "either": "away from"}[self.direction]


def _told_close(symbol: str, at: datetime, view: View) -> Decimal | None:
    """The close before the session of `at`, as the quote tells it that is of the same session."""
    quote = view.quotes.get(symbol)
    if quote is None or quote.as_of <= last_close_before(at, view.calendar):
        return None
    return quote.previous_close


def _missing(symbol: str, at: datetime, view: View) -> date | None:
    return missing(closed_before(symbol, at, view), last_close_before(at, view.calendar))


def _samples(symbol: str, view: View) -> list[Sample]:
    """What is known of the symbol, oldest first, its quote included."""
    earlier = list(view.recent.get(symbol, ()))
    quote = view.quotes.get(symbol)
    if quote is None:
        return earlier
    return [*(sample for sample in earlier if sample.as_of < quote.as_of), quote]


def _as_of(instant: datetime, samples: Sequence[Sample]) -> tuple[Sample | None, Sequence[Sample]]:
    """The last of `samples` at or before `instant`, and those after it."""
    count = sum(sample.as_of <= instant for sample in samples)
    return (samples[count - 1] if count else None), samples[count:]
