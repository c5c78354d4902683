"""What a card says about a rule before it counts: whether it is already true, and what it costs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

from django.db import transaction

from accounts.models import User
from actions.booking import check_paused, trades_of
from actions.drafting import Draft, parse, portfolio_of
from actions.rules import ANY_PRICE, Desk, Rule, Wake
from actions.simulate import MadeUp, simulate_draft
from actions.trading import HeldBack
from market.quotes import Sample
from market.selectors import latest_quotes
from portfolios.ledger import Entry, Refusal, Snapshot
from portfolios.money import format_price, format_quantity, format_usd
from portfolios.services import as_if_locked


@dataclass(frozen=True, slots=True)
class Facts:
    """`fires_now`: it would fire at the next check. `refused`: the trade would not be done."""

    fires_now: bool
    refused: bool
    state: str
    cost: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def differ(self, shown: Mapping[str, Any]) -> bool:
        """Whether a person who was shown those should look again."""
        return (self.fires_now, self.refused) != (shown.get("fires_now"), shown.get("refused"))


def facts_of(*, user: User, draft: Draft, now: datetime) -> Facts:
    """What is to be known about the rule as the market and the portfolio stand. Changes nothing.

    Raises InvalidRule.
    """
    tried = simulate_draft(user=user, draft=draft, market=MadeUp(at=now))
    fires = tried.would_fire
    refused, cost = _cost(user, draft, Wake() if fires else tried.wake, now)
    state = (
        f"It is already true, and fires at the next check: {tried.reason}"
        if fires
        else (f"It would not fire now: {tried.reason}")
    )
    return Facts(fires_now=fires, refused=refused, state=state, cost=cost)


def _cost(user: User, draft: Draft, wake: Wake, now: datetime) -> tuple[bool, str]:
    """Whether the trade would be refused, and what it would be, in words: at the price that the
    rule waits for where that is known, else at the last one."""
    with transaction.atomic():  # checking a rule may list its symbol, and open a portfolio
        try:
            rule = parse(draft, now)
            if not rule.effect.trades:
                return False, "It trades nothing."
            quotes = _quotes(rule, wake, now)
            if missing := rule.effect.symbols(rule) - quotes.keys():
                names = ", ".join(sorted(missing))
                return False, f"What it would cost is not known: there is no price of {names} yet."
            return _traded(user, draft, rule, Desk(now, quotes))
        finally:
            transaction.set_rollback(True)


def _traded(user: User, draft: Draft, rule: Rule, market: Desk) -> tuple[bool, str]:
    portfolio = portfolio_of(user, draft, rule)
    assert portfolio is not None  # noqa: S101 -- whatever trades has one
    standing = as_if_locked(portfolio_id=portfolio.pk)
    desk = Desk(market.now, market.quotes, standing.snapshot)
    try:
        check_paused(standing.paused)
        traded = trades_of(rule.effect.plan(rule, desk), standing, uuid4(), market.now)
    except HeldBack as back:
        return True, f"It would be held back: {back.refused.reason}"
    if isinstance(traded, Refusal):
        return True, f"As things stand the trade would be refused: {traded.message}"
    lines, after = traded
    return False, _in_words([line.entry for line in lines], after)


def _in_words(entries: Sequence[Entry], after: Snapshot | None) -> str:
    if not entries:
        return "As things stand it would trade nothing."
    orders = " and ".join(
        f"{entry.kind} {format_quantity(abs(entry.quantity or Decimal(0)))} {entry.symbol} at "
        f"{format_price(entry.price or Decimal(0))} for {format_usd(abs(entry.amount))}"
        for entry in entries
    )
    cash = f"; cash after that: {format_usd(after.cash)}" if after else ""
    return f"It would {orders}{cash}."


def _quotes(rule: Rule, wake: Wake, now: datetime) -> dict[str, Sample]:
    quotes = latest_quotes(symbols=rule.effect.symbols(rule))
    for symbol in rule.effect.symbols(rule):
        band = wake.bands.get(symbol)
        if band is None or band == ANY_PRICE or (band.below and band.above):
            continue
        if level := band.below or band.above:
            quotes[symbol] = Sample(symbol, level, now)
    return quotes
