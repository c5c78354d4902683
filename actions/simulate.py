"""Tries a rule on a market that is made up, and tells what would come of it. Changes nothing.

It asks what the engine asks, by the same functions: the gates, the trigger, the effect, the ledger
and the portfolio's limits. What is not made up is as it stands.
"""

from collections.abc import Mapping, Sequence
from copy import replace
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

from django.db import transaction

from accounts.models import User
from actions.booking import check_paused, trades_of
from actions.drafting import Draft, parse, portfolio_of
from actions.judge import Finding, Verdict, hold_back, judge, move_on
from actions.limits import Gate, Refused
from actions.parts import InvalidRule
from actions.rules import Desk, Rule, State, View, Wake
from actions.selectors import owned_action
from actions.sight import Sight, Standing
from actions.starting import starting_state
from actions.trading import HeldBack
from actions.why import GateState, gate_states
from market.quotes import Bar, Sample
from market.selectors import latest_quotes
from market.services import calendar, quote_max_age
from portfolios.ledger import Entry, Refusal, Snapshot
from portfolios.selectors import paused_primaries
from portfolios.services import LockedPortfolio, as_if_locked

# What a trigger may fail with on a state that is none of its own.
_NO_STATE = (ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError)


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeUp:
    """A market to try a rule on. None: as it is.

    `price`, `previous_close` and `volume` are those of the symbol that the trigger watches, and so
    are `closes`: its last completed sessions' closes, oldest first. `prices` are those of other
    symbols. `state` is what the trigger remembers (`runtime_state`).
    """

    at: datetime
    price: Decimal | None = None
    previous_close: Decimal | None = None
    volume: int | None = None
    closes: Sequence[Decimal] = ()
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    state: State | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """What would come of a look at the rule.

    `would_fire`: its gates are open, its trigger is true and its portfolio lets it. `refusal` is
    then why its orders would be refused, which is recorded as a failed execution. `entries` are the
    ledger's lines, `after` the portfolio after them, `wake` when the rule would next be looked at.
    """

    would_fire: bool
    outcome: Finding
    reason: str
    gates: Sequence[GateState]
    refusal: Refusal | None
    entries: Sequence[Entry]
    message: str
    before: Snapshot | None
    after: Snapshot | None
    state: State
    wake: Wake


def simulate_action(*, user: User, action_id: UUID, market: MadeUp) -> Simulation:
    """A stored rule, tried. Raises Action.DoesNotExist for another's, InvalidRule."""
    action = owned_action(user=user, action_id=action_id)
    return _simulate(user, action.as_rule(), action.portfolio_id, market)


def simulate_draft(*, user: User, draft: Draft, market: MadeUp) -> Simulation:
    """A rule that is not stored, tried as if it began now. Raises InvalidRule."""
    with transaction.atomic():  # checking a rule may list its symbol, and open a portfolio
        rule = parse(draft, market.at)
        portfolio = portfolio_of(user, draft, rule)
        portfolio_id = portfolio.pk if portfolio else None
        state = starting_state(rule, portfolio_id, market.at)
        try:
            return _simulate(user, rule.with_state(state), portfolio_id, market)
        finally:
            transaction.set_rollback(True)


def _simulate(user: User, rule: Rule, portfolio_id: UUID | None, market: MadeUp) -> Simulation:
    if market.state is not None:
        rule = rule.with_state(market.state)
    view = _view(rule, portfolio_id, market)
    portfolio = as_if_locked(portfolio_id=portfolio_id) if portfolio_id else None
    paused = portfolio.paused if portfolio else paused_primaries(user_ids=[user.pk]).get(user.pk)
    try:
        return outcome_of(rule, view, portfolio, paused or "")
    except _NO_STATE as error:
        if market.state is None or isinstance(error, InvalidRule):
            raise
        raise InvalidRule({"runtime_state": "That is no state of such a trigger."}) from None


# --- What it sees ---


def _view(rule: Rule, portfolio_id: UUID | None, market: MadeUp) -> View:
    quotes = _quotes(rule, market)
    seen = Standing(portfolio_id, woken_at=market.at, quotes=quotes)
    view = Sight([(seen, rule)], now=market.at, max_age=quote_max_age()).view(seen, rule)
    if not market.closes:
        return view
    bars = {
        symbol: _bars(symbol, market, view.bars.get(symbol, ())) for symbol in _main(rule, market)
    }
    return replace(view, bars={**view.bars, **bars})


def _quotes(rule: Rule, market: MadeUp) -> Mapping[str, Sample]:
    known = latest_quotes(symbols=rule.symbols)
    for symbol, price in market.prices.items():
        known[symbol] = Sample(symbol, price, market.at)
    if _is_made_up(market):
        for symbol in _main(rule, market):
            if made_up := _made_up(symbol, market, known.get(symbol)):
                known[symbol] = made_up
    return {symbol: sample for symbol, sample in known.items() if symbol in rule.symbols}


def _made_up(symbol: str, market: MadeUp, stands: Sample | None) -> Sample | None:
    """The quote as it is told; what is not told is as it `stands`. None without any price."""
    price = market.price or (stands.price if stands else None)
    if price is None:
        return None
    volume, close = market.volume, market.previous_close
    if stands:
        volume = stands.volume if volume is None else volume
        close = close or stands.previous_close
    return Sample(symbol, price, market.at, volume=volume, previous_close=close)


def _is_made_up(market: MadeUp) -> bool:
    told = (market.price, market.previous_close, market.volume)
    return any(value is not None for value in told)


def _main(rule: Rule, market: MadeUp) -> Sequence[str]:
    """The one symbol that the trigger watches; where it watches several, or none, the rule's."""
    watched = rule.trigger.watched(rule) | rule.trigger.charted(rule)
    symbols = watched if len(watched) == 1 else {rule.symbol} & {*rule.symbols}
    if not symbols and (_is_made_up(market) or market.closes):
        raise InvalidRule({"prices": "The rule has several symbols. Name each with its price."})
    return [symbol for symbol in symbols if symbol]


def _bars(symbol: str, market: MadeUp, real: Sequence[Bar]) -> Sequence[Bar]:
    """Sessions with these closes, of the volumes that the real ones had."""
    bars = []
    sessions = calendar()
    at = sessions.last_close(market.at)
    volumes = {bar.session: bar.volume for bar in real}
    for close in reversed(market.closes):
        bar = Bar(symbol, at, close, close, close, close, 0)
        bars.append(replace(bar, volume=volumes.get(bar.session, 0)))
        at = sessions.last_close(at - timedelta(microseconds=1))
    return bars[::-1]


# --- What comes of it ---


def outcome_of(
    rule: Rule, view: View, portfolio: LockedPortfolio | None, paused: str
) -> Simulation:
    """What would come of a look at the rule with this view. `paused` is why its portfolio is, or
    where it names none, why its owner's primary one is."""
    verdict = judge(rule, view)
    before = portfolio.snapshot if portfolio else None
    plan = traded = None
    held: Refused | None = None
    if verdict.finding is Finding.FIRED:
        desk = Desk(view.now, view.quotes, before)
        plan = rule.effect.plan(rule, desk)
        try:
            check_paused(paused)
            trading = portfolio if rule.effect.trades else None
            traded = trades_of(plan, trading, uuid4(), view.now)
        except HeldBack as back:
            held = back.refused
            verdict = hold_back(rule, view, held)
    refusal = traded if isinstance(traded, Refusal) else None
    lines, after = traded if isinstance(traded, tuple) else ([], None)
    state, wake = _next(rule, verdict, view, succeeded=refusal is None)
    return Simulation(
        would_fire=verdict.finding is Finding.FIRED,
        outcome=verdict.finding,
        reason=verdict.reason,
        gates=_gates(rule, view, portfolio, paused, held),
        refusal=refusal,
        entries=[line.entry for line in lines],
        message=getattr(plan, "message", "") if refusal is None else "",
        before=before,
        after=after or before,
        state=state,
        wake=wake,
    )


def _next(rule: Rule, verdict: Verdict, view: View, *, succeeded: bool) -> tuple[State, Wake]:
    if verdict.finding is not Finding.FIRED:
        return verdict.state, verdict.wake
    after, wake = move_on(rule, verdict, view, succeeded=succeeded)
    return after.state, wake


def _gates(
    rule: Rule, view: View, portfolio: LockedPortfolio | None, paused: str, held: Refused | None
) -> Sequence[GateState]:
    states = gate_states(rule, view)
    if portfolio or paused:
        states.append(GateState(Gate.PORTFOLIO, open=not paused, reason=paused))
    if portfolio:
        spent = held if held and held.gate is Gate.DAY else None
        reason, until = (spent.reason, spent.until) if spent else ("", None)
        states.append(GateState(Gate.DAY, open=spent is None, reason=reason, until=until))
    return states
