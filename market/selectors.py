"""What the market's tables say, as plain values."""

from collections.abc import Collection
from datetime import date

from market.models import DailyBar, Instrument, Quote
from market.quotes import Bar, Sample


def latest_quotes(*, symbols: Collection[str]) -> dict[str, Sample]:
    """The latest accepted quote of each of these symbols that has one, whatever its age."""
    quotes = Quote.objects.filter(instrument__in=symbols)
    samples = (quote.sample() for quote in quotes)
    return {sample.symbol: sample for sample in samples if sample is not None}


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
