"""What a portfolio was worth along the way, beside one that was bought and held. Pure."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from actions.backtest.series import instant
from actions.backtest.sight import Sight
from actions.backtest.ticks import Ticks
from actions.rules import Rule
from portfolios.ledger import Snapshot
from portfolios.money import EXACT, usd


class Worth(NamedTuple):
    """In dollars, at one instant: the portfolio's, and that of the one that was just held."""

    at: datetime
    portfolio: Decimal
    held: Decimal


@dataclass(frozen=True, slots=True)
class Equity:
    """The portfolios since the start, each from its instant on, in the shares of the start."""

    rule: Rule
    sight: Sight
    ticks: Ticks
    portfolios: Sequence[tuple[int, Snapshot]]

    def curve(self, most: int) -> list[Worth]:
        """At `most` ticks evenly apart, the first and the last among them, or at all there are.

        Only what the rule names has a price here; other positions count for nothing. Whoever just
        holds has put the cash, in equal parts, into what the rule trades (or watches) at the first
        tick, without costs.
        """
        stop = self.ticks.stop
        if not stop:
            return []
        chosen = np.unique(np.linspace(0, stop - 1, min(most, stop)).round().astype(np.int64))
        begun = self.portfolios[0][1]
        first = self._prices(self.ticks.instant(0))
        parts = sorted(self._held_by_the_patient() & first.keys())
        curve = []
        for tick in chosen:
            now = self.ticks.instant(int(tick))
            prices = self._prices(now)
            place = bisect_right(self.portfolios, now, key=itemgetter(0)) - 1
            standing = self.portfolios[max(place, 0)][1]
            grown = [EXACT.divide(prices[symbol], first[symbol]) for symbol in parts]
            part = EXACT.divide(begun.cash, Decimal(len(parts) or 1))
            cash = sum((EXACT.multiply(part, each) for each in grown), Decimal(0))
            held = Snapshot(cash if parts else begun.cash, begun.positions)
            curve.append(Worth(instant(now), _worth(standing, prices), _worth(held, prices)))
        return curve

    def _held_by_the_patient(self) -> frozenset[str]:
        return self.rule.effect.symbols(self.rule) or self.rule.trigger.charted(self.rule)

    def _prices(self, now: int) -> dict[str, Decimal]:
        quotes = self.sight.quotes(self.rule.symbols, now)
        return {symbol: quote.price for symbol, quote in quotes.items()}


def _worth(portfolio: Snapshot, prices: dict[str, Decimal]) -> Decimal:
    positions = (
        EXACT.multiply(portfolio.position(symbol).quantity, price)
        for symbol, price in prices.items()
    )
    return usd(portfolio.cash + sum(positions, Decimal(0)))
