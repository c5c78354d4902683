"""The prices of what a rule that is being written names: asked for where nobody has followed it."""

from datetime import datetime, timedelta

from actions.alarm import take_in_and_call
from actions.wizard.outline import Outline
from market.models import Quote
from market.services import admit, quote_max_age, quotes_soon

PATIENCE = timedelta(seconds=2)  # of somebody who opens a page


def look_up_prices(*, outline: Outline, now: datetime) -> None:
    """Has the feed asked for a price of each symbol that has none, and waits a moment for it."""
    named = outline.symbols
    priced = Quote.objects.filter(instrument__in=named, price__isnull=False)
    unpriced = named - set(priced.values_list("instrument_id", flat=True)) if named else named
    if not unpriced:
        return
    asked = unpriced - admit(symbols=sorted(unpriced)).keys()
    if asked:
        quotes_soon(
            symbols=sorted(asked),
            now=now,
            age=quote_max_age(),
            take_in=take_in_and_call,
            patience=PATIENCE,
        )
