"""What the feed knows of splits, before and after they take effect."""

import logging
from collections.abc import Collection
from datetime import datetime, timedelta

from market.asking import spend_credits
from market.errors import ProviderError
from market.feed import provider
from market.hours import NEW_YORK
from market.incidents import Said, believe_small_moves, raise_incidents
from market.models import FeedIncident
from market.providers import FeedFailed, SaidSplit, WebProvider

logger = logging.getLogger(__name__)

BACK = timedelta(days=7)
AHEAD = timedelta(days=30)  # splits are announced weeks before
_UNTOLD = "no splits"


def ask_for_splits(*, symbols: Collection[str], now: datetime) -> list[SaidSplit]:
    """What the feed knows of splits of these symbols, past ones and those to come.

    Nothing, where it is a replay, where its credits do not go that far, or where it does not tell:
    that is an incident, open until it does. A fall that was held as perhaps a split's is held no
    longer where the feed knows of none (`believe_small_moves`). Belongs outside any transaction.
    """
    try:
        feed = provider()
        if not isinstance(feed, WebProvider) or not symbols:
            return []
        spend_credits(feed, feed.splits_cost(len(symbols)), now)
    except ProviderError as error:
        logger.info("Splits were not asked for: %s", error)
        return []
    today = now.astimezone(NEW_YORK).date()
    try:
        said = feed.splits(symbols, now, today - BACK, today + AHEAD)
    except FeedFailed as failure:
        words = f"it does not tell splits ({failure.words}): record them by hand"
        raise_incidents(said=[Said(None, _UNTOLD, words)], now=now)
        return []
    FeedIncident.objects.filter(kind=_UNTOLD, settled_at__isnull=True).update(
        settled_at=now, outcome=FeedIncident.Outcomes.ENDED
    )
    split = {each.symbol for each in said.splits}
    believe_small_moves(symbols=[symbol for symbol in symbols if symbol not in split], now=now)
    return said.splits
