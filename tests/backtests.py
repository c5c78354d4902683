"""Bars and rules for the tests of backtests that people ask for."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from actions.backtest.series import Series
from market.quotes import Bar
from market.services import import_bars
from tests.unit.real_bars import SHIPPED, bars_in

START, END = date(2008, 1, 2), date(2008, 12, 31)
BEGINS = datetime(2008, 1, 2, 5, tzinfo=UTC)  # New York's midnight
ENDS = datetime(2009, 1, 1, 4, 59, 59, 999999, tzinfo=UTC)
STOP: dict[str, Any] = {
    "action_type": "SELL",
    "symbol": "AAPL",
    "quantity": "10",
    "trigger_type": "trailing_stop",
    "trigger_params": {"percent": "10"},
    "max_executions": None,
}
YEAR: dict[str, Any] = {"start": START.isoformat(), "end": END.isoformat()}


HELD_FROM, HELD_TO = date(2007, 11, 1), date(2009, 1, 30)


def bars_of(symbol: str, first: date = HELD_FROM, last: date = HELD_TO) -> Sequence[Bar]:
    """Real daily bars of this span."""
    return [bar for bar in bars_in(SHIPPED)[symbol] if first <= bar.session <= last]


def hold_bars(*symbols: str) -> None:
    """Has the system hold bars of these symbols."""
    import_bars(bars={symbol: bars_of(symbol) for symbol in symbols}, names={})


def series_of(*symbols: str) -> dict[str, Series]:
    return {symbol: Series.of(symbol, bars_of(symbol)) for symbol in symbols}


def as_csv(bars: Sequence[Bar]) -> str:
    """A file of these bars."""
    lines = [
        f"{bar.symbol},{bar.at:%Y-%m-%dT%H:%M:%SZ},{bar.open},{bar.high},{bar.low},{bar.close},"
        f"{bar.volume}"
        for bar in bars
    ]
    return "\n".join(["symbol,timestamp,open,high,low,close,volume", *lines, ""])
