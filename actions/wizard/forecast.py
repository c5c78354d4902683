"""What would come of a rule that is being written: whether it is true already, what it costs."""

from collections.abc import Mapping, Sequence
from copy import replace
from dataclasses import dataclass
from decimal import Decimal
from uuid import uuid4

from actions.booking import trades_of
from actions.meter import Meter, meter
from actions.rules import Band, Desk, Outcome, Rule, View
from actions.simulate import Simulation, outcome_of
from actions.trading import HeldBack
from actions.watches import on_grid
from actions.why import nearest
from actions.wizard.past import fired_in_the_last_year
from actions.wizard.trial import Trial
from market.quotes import Sample
from market.services import quote_max_age
from portfolios.ledger import Entry, Refusal, Snapshot


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


def forecast(tried: Trial) -> Forecast:
    """What would come of it. Changes nothing."""
    rule, view = tried.rule, tried.view
    seen = replace(view, max_age=quote_max_age())
    simulation = outcome_of(rule, seen, tried.portfolio, tried.paused)
    return Forecast(
        simulation=simulation,
        is_true=_is_true(rule, view),
        meter=_meter(simulation, view.quotes),
        cost=_cost(tried),
        unpriced=sorted(rule.symbols - view.quotes.keys()),
        fired_last_year=fired_in_the_last_year(rule.with_state({}), view.now),
    )


def _is_true(rule: Rule, view: View) -> bool:
    if not rule.trigger.watched(rule) <= view.quotes.keys():
        return False
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


def _cost(tried: Trial) -> Cost | None:
    rule, portfolio, quotes = tried.rule, tried.portfolio, tried.view.quotes
    priced = rule.effect.symbols(rule) <= quotes.keys()
    if portfolio is None or not rule.effect.trades or not priced:
        return None
    before = portfolio.snapshot
    plan = rule.effect.plan(rule, Desk(tried.view.now, quotes, before))
    try:
        traded = trades_of(plan, portfolio, uuid4(), tried.view.now)
    except HeldBack as held:
        return _refused(held.refused.reason, before, tried.name)
    if isinstance(traded, Refusal):
        return _refused(traded.message, before, tried.name)
    lines, after = traded
    cash_after = after.cash if after else None
    return Cost([line.entry for line in lines], before.cash, cash_after, "", tried.name)


def _refused(why: str, before: Snapshot, name: str) -> Cost:
    return Cost((), before.cash, None, why, name)
