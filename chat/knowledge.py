"""What the reader of phrases is told about a user: rules, holdings, prices, and what is listed."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

from accounts.models import User
from actions.models import Action
from actions.parts import InvalidRule
from actions.selectors import actions_of
from chat.phrases import KnownRule
from market.directory import Directory, Listing, shipped
from market.models import Instrument
from market.selectors import latest_quotes
from market.services import calendar
from portfolios.selectors import holdings_of, primary_portfolio_of

FINAL = (Action.Statuses.COMPLETED, Action.Statuses.CANCELLED)
MOST_RULES = 500  # of one user; whoever has more names the rule by its symbol on the page


def knowledge_of(*, user: User) -> dict[str, Any]:
    """The arguments of `chat.phrases.read` that depend on the user: all but the text and `now`."""
    return {
        "zone": user.zone,
        "calendar": calendar(),
        "directory": directory(),
        "holdings": _holdings(user),
        "rules": [_known(action, user) for action in _rules(user)],
        "prices": LatestPrices(),
    }


def directory() -> Directory:
    """Everything that is listed, and the instruments that are not."""
    rows = (
        Instrument.objects.filter(is_active=True).order_by("symbol").values_list("symbol", "name")
    )
    return _extended(tuple(row for row in rows if shipped().get(row[0]) is None))


class LatestPrices(Mapping[str, Decimal]):
    """The last price of each symbol that is asked for, read when it is."""

    def __getitem__(self, symbol: str) -> Decimal:
        return latest_quotes(symbols=[symbol])[symbol].price

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


@lru_cache(maxsize=4)
def _extended(own: tuple[tuple[str, str], ...]) -> Directory:
    # The same directory as long as there are the same instruments: its index of names is kept.
    return shipped().extended(Listing(symbol, name) for symbol, name in own) if own else shipped()


def _holdings(user: User) -> dict[str, Decimal]:
    portfolio = primary_portfolio_of(user=user)
    if portfolio is None:
        return {}
    return dict(holdings_of(portfolio=portfolio).values_list("instrument_id", "quantity"))


def _rules(user: User) -> Sequence[Action]:
    return list(actions_of(user=user).exclude(status__in=FINAL)[:MOST_RULES])


def _known(action: Action, user: User) -> KnownRule:
    try:
        sentence = action.sentence(user.zone)
    except InvalidRule:
        sentence = str(action)
    return KnownRule(
        id=action.pk,
        status=action.status,
        action_type=action.action_type,
        trigger_type=action.trigger_type,
        symbol=action.symbol,
        sentence=sentence,
        trigger_params=action.trigger_params,
    )
