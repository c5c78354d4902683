"""What would come of a rule that is being written: whether it is true already, what it costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import uuid4

from django.db import transaction

from accounts.models import User
from actions.booking import trades_of
from actions.drafting import Draft, parse, portfolio_of
from actions.meter import Meter, meter
from actions.rules import Band, Desk, InvalidRule, Outcome, Rule
from actions.sight import Sight, Standing
from actions.simulate import MadeUp, Simulation, simulate_draft
from actions.starting import starting_state
from actions.trading import HeldBack
from actions.watches import on_grid
from actions.why import nearest
from actions.wizard.past import fired_in_the_last_year
from market.quotes import Sample
from market.selectors import latest_quotes
from portfolios.ledger import Entry, Refusal, Snapshot
from portfolios.services import as_if_locked


@dataclass(frozen=True, slots=True)
class Cost:
    """What the rule would trade at the prices of now. `refusal` is why it could not."""

    entries: Sequence[Entry]
    cash: Decimal | None
    cash_after: Decimal | None
    refusal: str
    portfolio: str

    @property
    def spent(self) -> Decimal:
        return -sum((entry.amount for entry in self.entries), Decimal(0))


@dataclass(frozen=True, slots=True)
class Forecast:
    """`would_fire`: it is true already, and fires at the next check; `is_true`: it would if nothing
    held it back, by the last prices, however old. `unpriced` are the symbols without a price, and
    `cost` is None where there are some, or nothing is traded."""

    simulation: Simulation
    is_true: bool
    meter: Meter | None
    cost: Cost | None
    unpriced: Sequence[str]
    fired_last_year: int | None

    @property
    def would_fire(self) -> bool:
        return self.simulation.would_fire


def forecast(*, user: User, draft: Draft, now: datetime) -> Forecast:
    """Tries the draft on the market as it is. Changes nothing. Raises InvalidRule."""
    simulation = simulate_draft(user=user, draft=draft, market=MadeUp(at=now))
    with transaction.atomic():  # as in simulate_draft
        rule = parse(draft, now)
        quotes = latest_quotes(symbols=rule.symbols)
        try:
            return Forecast(
                simulation=simulation,
                is_true=_is_true(user, draft, rule, quotes, now),
                meter=_meter(simulation, quotes),
                cost=_cost(user, draft, rule, quotes, now),
                unpriced=sorted(rule.symbols - quotes.keys()),
                fired_last_year=fired_in_the_last_year(rule, now),
            )
        finally:
            transaction.set_rollback(True)


def _is_true(
    user: User, draft: Draft, rule: Rule, quotes: Mapping[str, Sample], now: datetime
) -> bool:
    if not rule.trigger.watched(rule) <= quotes.keys():
        return False
    portfolio = portfolio_of(user, draft, rule)
    portfolio_id = portfolio.pk if portfolio else None
    rule = rule.with_state(starting_state(rule, portfolio_id, now))
    seen = Standing(portfolio_id, woken_at=now, quotes=quotes)
    view = Sight([(seen, rule)], now=now, max_age=timedelta.max).view(seen, rule)
    return rule.trigger.evaluate(rule, view).outcome is Outcome.FIRED


def _meter(simulation: Simulation, quotes: Mapping[str, Sample]) -> Meter | None:
    bands = {symbol: on_grid(_still(band)) for symbol, band in simulation.wake.bands.items()}
    distance = nearest(bands, quotes)
    return meter(band=bands[distance.symbol], distance=distance) if distance else None


def _still(band: Band) -> Band:
    """A turn's band as it is now: its stop."""
    if band.turn is None:
        return band
    return Band(below=band.turn.stop) if band.turn.turning.falls else Band(above=band.turn.stop)


def _cost(
    user: User, draft: Draft, rule: Rule, quotes: Mapping[str, Sample], now: datetime
) -> Cost | None:
    if not rule.effect.trades or not rule.effect.symbols(rule) <= quotes.keys():
        return None
    mine = portfolio_of(user, draft, rule)
    if mine is None:
        raise InvalidRule({"portfolio_id": "You have no such portfolio."})
    portfolio = as_if_locked(portfolio_id=mine.pk)
    before = portfolio.snapshot
    plan = rule.effect.plan(rule, Desk(now, quotes, before))
    try:
        traded = trades_of(plan, portfolio, uuid4(), now)
    except HeldBack as held:
        return _refused(held.refused.reason, before, mine.name)
    if isinstance(traded, Refusal):
        return _refused(traded.message, before, mine.name)
    lines, after = traded
    cash_after = after.cash if after else None
    return Cost([line.entry for line in lines], before.cash, cash_after, "", mine.name)


def _refused(why: str, before: Snapshot, name: str) -> Cost:
    return Cost((), before.cash, None, why, name)
