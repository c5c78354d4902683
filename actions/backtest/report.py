"""What a backtest found, as JSON: prices, shares and dollars are text, exact. Pure.

Lists are cut after MOST_LISTED, and say how many there are; curves are thinned to MOST_POINTS.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np

from actions.backtest.books import Trade
from actions.backtest.equity import Worth
from actions.backtest.fire import Fire
from actions.backtest.play import Blocked, Result
from actions.backtest.series import Ints, Series, in_words, instant, micros, price
from actions.rules import Rule
from portfolios.ledger import Snapshot

MOST_LISTED = 1000
MOST_POINTS = 500


def report(
    rule: Rule,
    series: Mapping[str, Series],
    done: Result,
    *,
    start: datetime,
    end: datetime,
) -> dict[str, Any]:
    """All of it, with the prices of the symbol that the rule watches, or else trades."""
    symbols = sorted(rule.trigger.charted(rule)) or sorted(rule.symbols)
    shown = series[symbols[0]] if symbols else None
    curve = done.equity.curve(MOST_POINTS) if rule.effect.trades else []
    listed = done.fires[:MOST_LISTED]
    return {
        "status": str(done.after.status),
        "reason": done.reason,
        "fires_count": len(done.fires),
        "fires": [_fire(fire) for fire in listed],
        "trades_count": len(done.trades),
        "trades": [_trade(trade) for trade in done.trades[:MOST_LISTED]],
        "blocked_count": len(done.blocked),
        "blocked": [_blocked(blocked) for blocked in done.blocked[:MOST_LISTED]],
        "equity": [_worth(worth) for worth in curve],
        "portfolio": _portfolio(done.portfolio),
        "symbol": shown.symbol if shown else None,
        "prices": _prices(shown, start, end, (fire.at for fire in listed)) if shown else [],
    }


def setting(value: Decimal | int, rule: Rule, done: Result) -> dict[str, Any]:
    """One setting of a sweep; `worth`, at the end, is null for a rule that trades nothing."""
    curve = done.equity.curve(2) if rule.effect.trades else []
    return {
        "value": plain(Decimal(value)),
        "fires": len(done.fires),
        "first_at": in_words(done.fires[0].at) if done.fires else None,
        "trades": len(done.trades),
        "blocked": len(done.blocked),
        "worth": dollars(curve[-1].portfolio) if curve else None,
        "reason": done.reason,
    }


def plain(number: Decimal) -> str:
    """Without an exponent and without zeros at its end."""
    return f"{number.normalize():f}"


def dollars(amount: Decimal) -> str:
    return f"{amount:.2f}"


def _fire(fire: Fire) -> dict[str, Any]:
    told = None if fire.price is None else plain(fire.price)
    return {"at": in_words(fire.at), "price": told, "reason": fire.reason}


def _blocked(blocked: Blocked) -> dict[str, Any]:
    return {"at": in_words(blocked.at), "why": str(blocked.why), "reason": blocked.reason}


def _trade(trade: Trade) -> dict[str, Any]:
    return {
        "at": in_words(trade.at),
        "side": str(trade.side).lower(),
        "symbol": trade.symbol,
        "quantity": plain(trade.quantity),
        "price": plain(trade.price),
        "amount": dollars(trade.amount),
        "commission": dollars(trade.commission),
        "cash_after": dollars(trade.cash_after),
    }


def _worth(worth: Worth) -> dict[str, str]:
    return {
        "at": in_words(worth.at),
        "portfolio": dollars(worth.portfolio),
        "held": dollars(worth.held),
    }


def _portfolio(portfolio: Snapshot) -> dict[str, Any]:
    return {
        "cash": dollars(portfolio.cash),
        "holdings": {
            symbol: plain(position.quantity)
            for symbol, position in sorted(portfolio.positions.items())
        },
    }


def _prices(
    series: Series, start: datetime, end: datetime, fired: Iterable[datetime]
) -> list[list[str]]:
    """Instants and closes, evenly apart, with those at which it fired."""
    first = series.last_until(micros(start)) + 1
    last = series.last_until(micros(end))
    if last < first:
        return []
    fires: Ints = np.array([series.last_until(micros(at)) for at in fired], np.int64)
    even = np.linspace(first, last, min(MOST_POINTS, last - first + 1)).round().astype(np.int64)
    chosen = np.union1d(even, fires)
    return [
        [in_words(instant(series.at[n])), plain(price(series.printed[n]))] for n in chosen if n >= 0
    ]
