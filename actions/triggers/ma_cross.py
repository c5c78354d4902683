"""Two moving averages of the daily closes cross."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import AliasChoices, Field, ValidationInfo, field_validator

from actions.marks import Line, Mark, Point
from actions.parts import Example
from actions.rules import Evaluation, Needs, Outcome, Rule, State, Trigger, View, Wake
from actions.triggers._sessions import missing
from actions.triggers._since import since, state_since
from actions.triggers._whole import Whole
from actions.triggers._words import day_in_words
from market.quotes import Bar
from portfolios.money import format_price

if TYPE_CHECKING:
    from actions.backtest.chart import Chart
    from actions.backtest.series import Ints

LONGEST = 400  # sessions

# An exponential average never quite forgets the simple one that it starts from, but after 6 times
# its length that weighs less than 7 millionths, and $10 of it less than a hundredth of a cent.
EMA_LENGTHS = 7

LATE = timedelta(minutes=5)


class _Pair(NamedTuple):
    short: Decimal
    long: Decimal

    def __str__(self) -> str:
        return f"{format_price(self.short)} against {format_price(self.long)}"


class MaCross(Trigger):
    """Fires when the short average of the closes gets to the other side of the long one.

    It is judged by completed sessions alone, and so sleeps from close to close. The state is
    `since`: a crossing counts at a close after that. It changes only by a firing.
    """

    title = "Moving averages cross"
    summary = "Fires after the close at which one average of past closes crosses another."
    examples = (
        Example(
            {"short": 50, "long": 200},
            "when the 50-day average crosses above the 200-day average",
        ),
        Example(
            {"short": 12, "long": 26, "direction": "down", "kind": "ema", "symbol": "SPY"},
            "when SPY's exponential 12-day average crosses below the 26-day average",
        ),
    )

    short: Whole = Field(
        ge=2,
        le=LONGEST,
        title="Short average",
        description="How many sessions the average takes that follows the price more closely.",
    )
    long: Whole = Field(
        ge=2,
        le=LONGEST,
        title="Long average",
        description="How many sessions the slower average takes: more than the short one.",
    )
    direction: Literal["up", "down", "either"] = Field(
        "up",
        title="Direction",
        description="up: the short average gets above the long one. down: it gets below. "
        "either: one of both.",
    )
    kind: Literal["sma", "ema"] = Field(
        "sma",
        validation_alias=AliasChoices("kind", "ma"),
        title="Kind of average",
        description="sma: every session counts alike. ema: the newer, the more "
        "(exponential, started from the simple average).",
    )

    @field_validator("long", mode="after")
    @classmethod
    def _longer(cls, long: int, info: ValidationInfo) -> int:
        short = info.data.get("short")
        if short is not None and long <= short:
            raise ValueError(f"It must take more sessions than the short one's {short}.")
        return long

    def watched(self, rule: Rule) -> frozenset[str]:
        return frozenset()  # it is judged by closes: no quote need be fresh

    def charted(self, rule: Rule) -> frozenset[str]:
        return super().watched(rule)

    def needs(self, rule: Rule) -> Needs:
        return Needs(sessions=self.long + 1 if self.kind == "sma" else EMA_LENGTHS * self.long)

    def activate(self, rule: Rule, view: View) -> State:
        return state_since(view.now)

    def evaluate(self, rule: Rule, view: View) -> Evaluation:
        symbol, bars = self._chart(rule, view)
        if len(bars) <= self.long:
            told = f"It takes {self.long + 1} sessions of {symbol}, and there are {len(bars)}."
            return Evaluation(Outcome.UNKNOWN, told, rule.state)
        if missing(bars, view.calendar.last_close(view.now)):
            newest_day = day_in_words(bars[-1].session)
            told = f"The last session's close of {symbol} is not known yet, only {newest_day}'s."
            return Evaluation(Outcome.UNKNOWN, told, rule.state)
        before, newest = self._averages([bar.close for bar in bars])
        crossed = self._crossed(before, newest)
        told = self._words(symbol, crossed, before, newest, bars[-1])
        if not crossed:
            return Evaluation(Outcome.NOT_FIRED, told, rule.state)
        if bars[-1].at <= since(rule):
            told += " That fired it already, or was before it began."
            return Evaluation(Outcome.NOT_FIRED, told, rule.state)
        return Evaluation(Outcome.FIRED, told, state_since(bars[-1].at))

    def watch(self, rule: Rule, view: View) -> Wake:
        _, bars = self._chart(rule, view)
        close = view.calendar.next_close(view.now)
        last_close = view.calendar.last_close(view.now)
        if not missing(bars, last_close):
            return Wake(at=close)
        # Late: after 5 minutes, and then whenever it is twice as late as at the look before.
        late = view.now - last_close
        return Wake(at=min(close, view.now + max(LATE, late)))

    def scan(self, rule: Rule, chart: "Chart") -> "Ints | None":
        return chart.crossings(self.short, self.long, exponential=self.kind == "ema")

    def all_fires(self, state: State, chart: "Chart", most: int | None) -> "Ints | None":
        if self.kind != "sma" or not chart.is_daily:
            return None
        up, down = self._sides
        return chart.all_crossings(self.short, self.long, up=up, down=down, most=most)

    def first_fires(
        self, parameter: str, values: Sequence[Decimal | int], state: State, chart: "Chart"
    ) -> Sequence[int] | None:
        if parameter not in {"short", "long"} or self.kind != "sma" or not chart.is_daily:
            return None
        up, down = self._sides
        lengths = {"short": self.short, "long": self.long}
        fires = []
        for value in values:
            pair = lengths | {parameter: int(value)}
            found = chart.all_crossings(pair["short"], pair["long"], up=up, down=down, most=1)
            if found is None:
                return None
            fires.append(int(found[0]) if len(found) else chart.length)
        return fires

    def describe(self, symbol: str | None) -> str:
        whose = f"{self.symbol}'s" if self.symbol and self.symbol != symbol else "the"
        short, long = self._names
        return f"when {whose} {short} {self._verb('crosses')} the {long}"

    def annotate(self, rule: Rule, view: View) -> tuple[Mark, ...]:
        symbol, bars = self._chart(rule, view)
        closes = [bar.close for bar in bars]
        kind = "Exponential " if self.kind == "ema" else ""
        lines = []
        for length in (self.short, self.long):
            averages = self._average(closes, length)
            closed = bars[len(bars) - len(averages) :]
            points = (Point(bar.at, price) for bar, price in zip(closed, averages, strict=True))
            lines.append(Line(symbol, tuple(points), f"{kind}{length}-day average"))
        return tuple(line for line in lines if line.points)

    def _chart(self, rule: Rule, view: View) -> tuple[str, Sequence[Bar]]:
        (symbol,) = self.charted(rule)
        return symbol, view.bars.get(symbol, ())

    def _averages(self, closes: Sequence[Decimal]) -> tuple[_Pair, _Pair]:
        """Both averages, at the close before the newest and at the newest."""
        short, long = self._average(closes, self.short), self._average(closes, self.long)
        return _Pair(short[-2], long[-2]), _Pair(short[-1], long[-1])

    def _average(self, closes: Sequence[Decimal], length: int) -> Sequence[Decimal]:
        """The average of `length` sessions at each close from that many on, oldest first."""
        if len(closes) < length:
            return ()
        return _simple(closes, length) if self.kind == "sma" else _exponential(closes, length)

    @property
    def _sides(self) -> tuple[bool, bool]:
        """Whether getting above counts, and getting below."""
        return self.direction != "down", self.direction != "up"

    def _crossed(self, before: _Pair, newest: _Pair) -> str:
        """The side that the short average got to, if that is one to wait for; or else nothing."""
        if self.direction != "down" and before.short <= before.long and newest.short > newest.long:
            return "above"
        if self.direction != "up" and before.short >= before.long and newest.short < newest.long:
            return "below"
        return ""

    def _verb(self, crosses: str) -> str:
        side = {"up": " above", "down": " below", "either": ""}[self.direction]
        return f"{crosses}{side}"

    @property
    def _names(self) -> tuple[str, str]:
        kind = "exponential " if self.kind == "ema" else ""
        return f"{kind}{self.short}-day average", f"{self.long}-day average"

    def _words(self, symbol: str, crossed: str, before: _Pair, newest: _Pair, close: Bar) -> str:
        short, long = self._names
        verb = f"crossed {crossed}" if crossed else self._verb("did not cross")
        return (
            f"{symbol}'s {short} {verb} its {long} at the close of "
            f"{day_in_words(close.session)}: {newest}, after {before}."
        )


def _simple(closes: Sequence[Decimal], length: int) -> list[Decimal]:
    total = sum(closes[:length], Decimal(0))
    averages = [total / length]
    for left, came in zip(closes, closes[length:], strict=False):
        total += came - left  # exact: 400 prices of 18 digits sum up to no more than 21
        averages.append(total / length)
    return averages


def _exponential(closes: Sequence[Decimal], length: int) -> list[Decimal]:
    # As TA-Lib has it: from the simple average of the first closes, weight 2 / (length + 1).
    averages = [sum(closes[:length], Decimal(0)) / length]
    for close in closes[length:]:
        averages.append(averages[-1] + (close - averages[-1]) * 2 / (length + 1))
    return averages
