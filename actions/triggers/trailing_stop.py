"""The price turns: it falls from its peak, or rises from its trough."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from pydantic import Field, ValidationInfo, field_validator

from actions.fields import Price
from actions.marks import Level, Line, Mark, Point, Role
from actions.parts import Example
from actions.rules import Band, Evaluation, Outcome, Rule, State, Trigger, View, Wake
from actions.triggers._levels import fires_at, measured_from
from actions.triggers._moves import PercentBelow100, band, percent_in_words, whose_price
from actions.turns import Turn, Turning
from portfolios.money import format_price

if TYPE_CHECKING:  # arrays are for those who backtest
    from actions.backtest.chart import Chart
    from actions.backtest.series import Ints


class TrailingStop(Trigger):
    """Fires when the price falls by `percent` or `amount` from its highest since the rule began.

    The stop follows the peak upwards and never comes down. Direction `up` is the mirror image: a
    rise from the lowest price. After a firing it starts anew.

    The state is {"peak": "107.000000"}, or "trough", as soon as there is one.
    """

    title = "Trailing stop"
    summary = "Fires when the price turns: when it falls from its peak, or rises from its trough."
    examples = (
        Example({"percent": "5"}, "when the price falls 5 % from its peak"),
        Example(
            {"amount": "10", "activation_price": "120"},
            "when the price falls $10.00 from its peak, once it has been at or above $120.00",
        ),
        Example(
            {"percent": "7.5", "direction": "up", "symbol": "SPY"},
            "when SPY's price rises 7.5 % from its trough",
        ),
    )
    either = ("percent", "amount")

    direction: Literal["down", "up"] = Field(
        "down",
        title="Direction",
        description="down: it follows the price up and fires when it falls. up: it follows the "
        "price down and fires when it rises.",
    )
    percent: PercentBelow100 | None = Field(
        None, title="Percent", description="How far it must turn, in percent of the peak or trough."
    )
    amount: Price | None = Field(
        None,
        title="Amount",
        description="How far it must turn, in USD, instead of in percent.",
        validate_default=True,
    )
    activation_price: Price | None = Field(
        None,
        title="Starts at",
        description="It begins to follow once the price is here or beyond; empty: at once.",
    )

    @field_validator("amount")
    @classmethod
    def _one_distance(cls, amount: Decimal | None, info: ValidationInfo) -> Decimal | None:
        if "percent" in info.data and (amount is None) == (info.data["percent"] is None):
            found = "none is set" if amount is None else "percent and amount are set"
            raise ValueError(f"Set exactly one of percent or amount; {found}.")
        return amount

    def rounds_up(self, parameter: str) -> bool:
        return parameter == "amount" or self._falls  # it starts later, and waits for more

    def activate(self, rule: Rule, view: View) -> State:
        (symbol,) = self.watched(rule)
        quote = view.quotes.get(symbol)
        return self._observe(quote.price, {}) if quote else {}

    def evaluate(self, rule: Rule, view: View) -> Evaluation:
        (symbol,) = self.watched(rule)
        price = view.quotes[symbol].price
        state = self._observe(price, rule.state)
        turn = self._turn(state)
        if turn is None:
            return Evaluation(Outcome.NOT_FIRED, self._waiting(symbol, price), state)
        if not turn.reached(price):
            return Evaluation(Outcome.NOT_FIRED, self._words(symbol, price, turn, "not "), state)
        return Evaluation(Outcome.FIRED, self._words(symbol, price, turn, ""), {})

    def watch(self, rule: Rule, view: View) -> Wake:
        (symbol,) = self.watched(rule)
        turn = self._turn(rule.state)
        if turn is not None:
            return Wake({symbol: Band(turn=turn)})
        start = self.activation_price
        return Wake({symbol: band(above=start) if self._falls else band(below=start)})

    def follow(self, rule: Rule, view: View) -> Wake:
        # The stop rises behind a shut gate too, also while the price is at or below it.
        (symbol,) = self.watched(rule)
        turn = self._turn(rule.state)
        return Wake({symbol: Band(turn=replace(turn, by=None))}) if turn else Wake()

    def first_fires(
        self, parameter: str, values: Sequence[Decimal | int], state: State, chart: "Chart"
    ) -> "Ints | None":
        if parameter not in self.either or self.activation_price is not None:
            return None
        turn = self._turn(state)
        return chart.first_turned(self._turning, turn.best if turn else None, values)

    def all_fires(self, state: State, chart: "Chart", most: int | None) -> "Ints | None":
        if self.activation_price is not None:
            return None
        turn = self._turn(state)
        best, by = turn.best if turn else None, self.percent or self.amount or Decimal(0)
        return chart.all_turned(self._turning, best, by, most)

    def describe(self, symbol: str | None) -> str:
        turns = "falls" if self._falls else "rises"
        words = f"when {whose_price(self, symbol)} {turns} {self._distance} from its {self._peak}"
        if self.activation_price is None:
            return words
        side = "above" if self._falls else "below"
        return f"{words}, once it has been at or {side} {format_price(self.activation_price)}"

    def annotate(self, rule: Rule, view: View) -> tuple[Mark, ...]:
        (symbol,) = self.watched(rule)
        turn = self._turn(rule.state)
        if turn is not None:
            stop = band(below=turn.stop) if self._falls else band(above=turn.stop)
            best = measured_from(symbol, turn.best, self._peak.capitalize())
            path = self._path(symbol, turn, rule.valid_from, view)
            return (*best, *fires_at(symbol, stop), *self._start(symbol, "Followed from"), *path)
        side = "above" if self._falls else "below"
        return self._start(symbol, f"Starts to follow at or {side}")

    def trail(self, prices: Iterable[Point]) -> Iterator[Point]:
        """Where the stop is after each of these prices, oldest first: from that on at which it
        begins to follow, and as long as a price can be there."""
        state: State = {}
        for seen in prices:
            state = self._observe(seen.price, state)
            turn = self._turn(state)
            if turn is not None and turn.stop is not None and turn.stop > 0:
                yield Point(seen.at, turn.stop)

    # --- Following ---

    @property
    def _falls(self) -> bool:
        return self.direction == "down"

    @property
    def _turning(self) -> Turning:
        if self.percent is not None:
            return Turning.FALLS_PERCENT if self._falls else Turning.RISES_PERCENT
        return Turning.FALLS_USD if self._falls else Turning.RISES_USD

    @property
    def _peak(self) -> str:
        return "peak" if self._falls else "trough"

    def _turn(self, state: State) -> Turn | None:
        """The turn it waits for; None as long as it has not begun to follow."""
        best = state.get(self._peak)
        return None if best is None else self._from(Decimal(best))

    def _from(self, best: Decimal) -> Turn:
        return Turn(self._turning, best, by=self.percent or self.amount)

    def _observe(self, price: Decimal, state: State) -> State:
        turn = self._turn(state)
        if turn is not None:
            return turn.after(price).state
        start = self.activation_price
        if start is None or (price >= start if self._falls else price <= start):
            return self._from(price).state
        return state

    # --- Its past ---

    def _start(self, symbol: str, words: str) -> tuple[Level, ...]:
        start = self.activation_price
        if start is None:
            return ()
        return (Level(symbol, start, Role.START, f"{words} {format_price(start)}"),)

    def _path(self, symbol: str, turn: Turn, since: datetime, view: View) -> tuple[Line, ...]:
        """How the stop has moved since the rule began, as far as its prices are kept.

        A bar may have gone further than any price that the rule was looked at by: the stop has been
        no nearer than it is now.
        """
        quote = view.quotes.get(symbol)
        if symbol not in view.recent or quote is None:
            return ()
        nearest = min if self._falls else max
        seen = [
            Point(at, nearest(price, turn.best))
            for at, price in self._kept(symbol, since, view)
            if since <= at < quote.as_of
        ]
        path = tuple(self.trail([*seen, Point(quote.as_of, turn.best)]))
        moves = "rose" if self._falls else "fell"
        return (Line(symbol, path, f"The stop as it {moves}", stepped=True),) if path else ()

    def _kept(self, symbol: str, since: datetime, view: View) -> Iterator[tuple[datetime, Decimal]]:
        """The prices that are kept, oldest first: the best of each session that lies wholly after
        `since`, the close of the one in which it falls, and what was seen after the last."""
        bars = view.bars.get(symbol, ())
        for n, bar in enumerate(bars):
            whole = n > 0 and bars[n - 1].at >= since
            best = bar.high if self._falls else bar.low
            yield bar.at, best if whole else bar.close
        yield from (
            (sample.as_of, sample.price)
            for sample in view.recent[symbol]
            if not bars or sample.as_of > bars[-1].at
        )

    # --- Words ---

    @property
    def _distance(self) -> str:
        if self.percent is not None:
            return percent_in_words(self.percent)
        return format_price(self.amount or Decimal(0))

    def _waiting(self, symbol: str, price: Decimal) -> str:
        side = "above" if self._falls else "below"
        start = format_price(self.activation_price or Decimal(0))
        return f"{symbol} at {format_price(price)} has not been at or {side} {start} yet."

    def _words(self, symbol: str, price: Decimal, turn: Turn, not_: str) -> str:
        side = "below" if self._falls else "above"
        stop = turn.stop or Decimal(0)
        since = f"{self._distance} {side} its {self._peak} of {format_price(turn.best)}"
        if stop <= 0:
            return (
                f"{symbol} is at {format_price(price)}, and no price can be {since}: "
                "the stop must rise before it can fire."
            )
        return (
            f"{symbol} at {format_price(price)} is {not_}at or {side} the stop at "
            f"{format_price(stop)}, {since}."
        )
