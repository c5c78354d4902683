"""What the market's tables say, as plain values."""

from collections.abc import Collection

from market.arrays import text_array
from market.bulk import run
from market.models import Instrument
from market.quotes import Sample

# In the order of a Sample's fields.
_LATEST = """
SELECT symbol, price, as_of, volume, previous_close, interpolated, note FROM market_quote
 WHERE symbol = ANY(%s::text[]) AND price IS NOT NULL AND as_of IS NOT NULL
"""


def latest_quotes(*, symbols: Collection[str]) -> dict[str, Sample]:
    """The latest accepted quote of each of these symbols that has one, whatever its age."""
    return {row[0]: Sample(*row) for row in run(_LATEST, [text_array(symbols)])}


def known_symbols() -> list[str]:
    """The symbols that are offered for rules, in order."""
    return list(
        Instrument.objects.filter(is_active=True)
        .order_by("symbol")
        .values_list("symbol", flat=True)
    )
