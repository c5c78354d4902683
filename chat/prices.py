"""Brings the prices that an answer speaks of up to date, by the market's own rules of asking."""

from collections.abc import Collection
from datetime import datetime

from actions.alarm import take_in_and_call
from market.services import UnknownSymbol, quote_max_age, quotes_within


def bring(*, symbols: Collection[str], now: datetime) -> None:
    """Asks for what nobody was told of lately; what is no instrument, or fails, stays as it is.

    Belongs outside any transaction.
    """
    try:
        quotes_within(symbols=symbols, now=now, age=quote_max_age(), take_in=take_in_and_call)
    except UnknownSymbol:
        return
