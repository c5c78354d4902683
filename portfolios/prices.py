"""The price at which a person may trade now."""

from datetime import datetime

from market.quotes import Sample, is_fresh
from market.selectors import latest_quotes
from market.services import calendar, quote_max_age


class NotNow(ValueError):
    """There is no price to trade at: `code` is for programs, the message says why."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


def tradable_quote(*, symbol: str, now: datetime) -> Sample:
    """The symbol's latest quote, which is fresh, of a market that is open. Raises NotNow."""
    quote = latest_quotes(symbols=[symbol]).get(symbol)
    if quote is None:
        raise NotNow(
            "no_quote", f"There is no quote for {symbol[:16]}. Rules or looks ask for one."
        )
    if not calendar().is_open(now):
        raise NotNow("market_closed", "The market is closed.")
    if not is_fresh(quote.as_of, now, quote_max_age()):
        raise NotNow("stale_quote", f"The last quote for {symbol} is too old to trade on.")
    return quote
