"""What the market's tables say, as plain values."""

from collections.abc import Callable, Collection
from datetime import date

from market.arrays import text_array
from market.bulk import ask
from market.models import DailyBar, Instrument
from market.quotes import Bar, Sample

# In the order of a Sample's fields.
_LATEST = """
SELECT symbol, price, as_of, volume, previous_close, interpolated, note FROM market_quote
 WHERE symbol = ANY(%s::text[]) AND price IS NOT NULL AND as_of IS NOT NULL
"""


def latest_quotes(*, symbols: Collection[str]) -> dict[str, Sample]:
    """The latest accepted quote of each of these symbols that has one, whatever its age."""
    return ask_latest_quotes(symbols=symbols)()


def ask_latest_quotes(*, symbols: Collection[str]) -> Callable[[], dict[str, Sample]]:
    """As `latest_quotes`: asks, and gives what is called for the answer (`market.bulk.ask`)."""
    rows = ask(_LATEST, [text_array(symbols)])
    return lambda: {row[0]: Sample(*row) for row in rows()}


def recorded_bars(*, symbol: str, first: date, last: date) -> dict[date, Bar]:
    """What is recorded of a symbol's sessions between these days. The feed is not asked."""
    rows = DailyBar.objects.filter(instrument=symbol, session__gte=first, session__lte=last)
    columns = ("instrument_id", "at", "open", "high", "low", "close", "volume")
    bars = (Bar(*row) for row in rows.values_list(*columns))
    return {bar.session: bar for bar in bars}


def known_symbols() -> list[str]:
    """The symbols that are offered for rules, in order."""
    return list(
        Instrument.objects.filter(is_active=True)
        .order_by("symbol")
        .values_list("symbol", flat=True)
    )
