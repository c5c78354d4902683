"""A weight has drifted away from its target."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Decimal, localcontext
from typing import ClassVar

from pydantic import Field

from actions.effects.rebalance import Rebalance
from actions.levels import next_above, next_below
from actions.marks import Mark
from actions.parts import Example, InvalidRule
from actions.rules import Band, Evaluation, Needs, Outcome, Rule, Trigger, View, Wake
from actions.triggers._levels import fires_at
from actions.triggers._moves import PercentBelow100, band
from portfolios.ledger import Snapshot
from portfolios.money import EXACT

ONE = 10**9  # a factor of 1, counted in the steps in which factors are tried
WIDEST = 10**6 * ONE  # beyond a millionfold move a rule may as well be looked at

Edge = Callable[[int], bool]  # whether it may be reached when prices move by so many steps


@dataclass(frozen=True, slots=True)
class _Weights:
    """What a portfolio has of each target, in dollars, and what is divided between them."""

    cash: Decimal
    targets: Mapping[str, Decimal]
    worth: Mapping[str, Decimal]
    divided: Decimal

    def off(self, symbol: str) -> Decimal:
        """By how many dollars the symbol is above its target; below zero where it is below."""
        return self.worth[symbol] - self.targets[symbol] * self.divided


class Drift(Trigger):
    """Fires when a weight is `tolerance_pct` percentage points or more off its target.

    The targets are those of the rule's REBALANCE, and a weight is what the symbol is worth, divided
    by the cash and what all symbols named are worth: just what the REBALANCE divides.
    """

    title = "Off its target weights"
    summary = "Fires when the weight of a symbol has drifted away from its target."
    examples = (
        Example(
            {"tolerance_pct": "5"}, "when a weight is 5 percentage points or more off its target"
        ),
        Example(
            {"tolerance_pct": "0.5"},
            "when a weight is 0.5 percentage points or more off its target",
        ),
    )

    symbol: ClassVar[None] = None  # type: ignore[misc]  # the targets name them: no such parameter

    tolerance_pct: PercentBelow100 = Field(
        title="Tolerance",
        description="How many percentage points a weight must be off its target, at least.",
    )

    def check(self, rule: Rule) -> None:
        _rebalance(rule)

    def watched(self, rule: Rule) -> frozenset[str]:
        return rule.effect.symbols(rule)

    def needs(self, rule: Rule) -> Needs:
        return Needs(portfolio=True)

    def evaluate(self, rule: Rule, view: View) -> Evaluation:
        if view.portfolio is None:
            return Evaluation(Outcome.UNKNOWN, "The portfolio is not known.", rule.state)
        with localcontext(EXACT):
            weights = _weights(rule, view, view.portfolio)
            if weights.divided == 0:
                reason = "The portfolio has no cash and none of the symbols named."
                return Evaluation(Outcome.NOT_FIRED, reason, rule.state)
            farthest = max(weights.targets, key=lambda symbol: abs(weights.off(symbol)))
            off = abs(weights.off(farthest))
            fired = off >= self._tolerance * weights.divided
            reason = self._words(farthest, weights)
        waits = "." if fired else f"; it waits for {_points(self.tolerance_pct)}."
        return Evaluation(Outcome.FIRED if fired else Outcome.NOT_FIRED, reason + waits, rule.state)

    def watch(self, rule: Rule, view: View) -> Wake:
        """A band for the price of each symbol held: one factor up and down for all of them.

        It is the largest with which no weight can reach its tolerance, wherever in their bands the
        prices are. Of a symbol that is not held, the price changes no weight.
        """
        if view.portfolio is None:
            return Wake()
        with localcontext(EXACT):
            weights = _weights(rule, view, view.portfolio)
            edges = list(self._edges(weights))
            if not edges:
                return Wake()
            factor = Decimal(_largest(edges)) / ONE
            bands = {}
            for symbol, worth in weights.worth.items():
                if worth > 0:
                    price = view.quotes[symbol].price
                    # The quotient has 120 digits, so it is on the same side of any price as the
                    # exact one is.
                    bands[symbol] = band(
                        below=next_below(price / factor), above=next_above(price * factor)
                    )
        return Wake(bands)

    def describe(self, symbol: str | None) -> str:
        many = "percentage point" if self.tolerance_pct == 1 else "percentage points"
        return f"when a weight is {_plain(self.tolerance_pct)} {many} or more off its target"

    def annotate(self, rule: Rule, view: View) -> tuple[Mark, ...]:
        """For each symbol held, the prices at which it fires while those of the others stay."""
        if view.portfolio is None or not self.watched(rule) <= view.quotes.keys():
            return ()
        shares = {symbol: view.portfolio.position(symbol).quantity for symbol in view.quotes}
        with localcontext(EXACT):
            weights = _weights(rule, view, view.portfolio)
            return tuple(
                replace(level, words=f"{level.words}, while the other prices stay")
                for symbol, worth in weights.worth.items()
                if worth > 0
                for level in fires_at(symbol, self._alone(symbol, shares[symbol], weights))
            )

    @property
    def _tolerance(self) -> Decimal:
        return self.tolerance_pct.scaleb(-2)

    def _edges(self, weights: _Weights) -> Iterator[Edge]:
        """The limits that a weight can come to by a change of prices, none of which it is at.

        A symbol's weight is greatest with its price up and the others down by the factor, and least
        the other way round. Without anything beside it, it is 1 at any price.
        """
        for symbol, worth in weights.worth.items():
            target = weights.targets[symbol]
            others = weights.divided - weights.cash - worth
            if worth > 0 and weights.cash + others > 0:
                if (most := target + self._tolerance) < 1:
                    yield _reaches(most, worth, weights.cash, others)
                if (least := target - self._tolerance) > 0:
                    yield _falls_to(least, worth, weights.cash, others)

    def _alone(self, symbol: str, shares: Decimal, weights: _Weights) -> Band:
        """Where it fires when the price of `symbol`, of which so many shares are held, moves alone.

        Its own weight rises with its price, and those of the others fall.
        """
        beside = weights.divided - weights.worth[symbol]
        lows, highs = [], []
        for name, target in weights.targets.items():
            most, least = target + self._tolerance, target - self._tolerance
            if name != symbol:
                lows.append((weights.worth[name] - most * beside) / (most * shares))
                if least > 0:
                    highs.append((weights.worth[name] - least * beside) / (least * shares))
                continue
            if most < 1:
                highs.append(most * beside / ((1 - most) * shares))
            if least > 0:
                lows.append(least * beside / ((1 - least) * shares))
        in_reach = [price for price in highs if price > 0]
        return band(below=max(lows, default=None), above=min(in_reach, default=None))

    def _words(self, symbol: str, weights: _Weights) -> str:
        """Such as "AAPL is 66.2 % of the portfolio, 6.2 points above its target of 60 %".

        Cut, so that less than the tolerance never reads as the tolerance.
        """
        decimals = max(2, -int(self.tolerance_pct.as_tuple().exponent))
        off = weights.off(symbol) * 100 / weights.divided
        points = off.quantize(Decimal(1).scaleb(-decimals), ROUND_DOWN)
        target = weights.targets[symbol] * 100
        told = f"{symbol} is {_plain(target + points)} % of the portfolio"
        if points == 0:
            return f"{told}, at its target"
        side = "above" if points > 0 else "below"
        return f"{told}, {_points(abs(points))} {side} its target of {_plain(target)} %"


def _rebalance(rule: Rule) -> Rebalance:
    if not isinstance(rule.effect, Rebalance):
        raise InvalidRule({"trigger_type": "It goes with REBALANCE only, which has targets."})
    return rule.effect


def _weights(rule: Rule, view: View, portfolio: Snapshot) -> _Weights:
    effect = _rebalance(rule)
    prices = {symbol: view.quotes[symbol].price for symbol in effect.targets}
    worth = effect.worth(portfolio, prices)
    return _Weights(
        portfolio.cash, effect.targets, worth, portfolio.cash + sum(worth.values(), Decimal(0))
    )


def _reaches(most: Decimal, worth: Decimal, cash: Decimal, others: Decimal) -> Edge:
    """worth x f >= most x (cash + worth x f + others / f), for a factor f, without a division."""

    def reached(steps: int) -> bool:
        return worth * (1 - most) * steps**2 >= most * (cash * ONE * steps + others * ONE**2)

    return reached


def _falls_to(least: Decimal, worth: Decimal, cash: Decimal, others: Decimal) -> Edge:
    """worth / f <= least x (cash + worth / f + others x f)."""

    def reached(steps: int) -> bool:
        return worth * (1 - least) * ONE**2 <= least * (cash * ONE * steps + others * steps**2)

    return reached


def _largest(edges: list[Edge]) -> int:
    """The most steps by which prices may move, up or down, and reach no edge; ONE is none."""
    steps = WIDEST
    for reached in edges:
        if reached(steps):
            steps = ONE + bisect_left(range(ONE, steps), True, key=reached) - 1
    return steps


def _points(number: Decimal) -> str:
    return f"{_plain(number)} {'point' if number == 1 else 'points'}"


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"
