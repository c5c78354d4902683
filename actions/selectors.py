"""Reads rules and executions, always as somebody's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Case, OuterRef, Q, QuerySet, Subquery, When

from accounts.models import User
from actions.coverage import missed_after
from actions.limits import Gate
from actions.models import Action, ActionExecution, Tick, Watch, WaterMark
from actions.parts import InvalidRule
from actions.rules import Band, View
from actions.sentence import in_zone
from actions.turns import Turn, Turning
from actions.watches import on_grid
from actions.why import Distance, GateState, gate_states, nearest
from market.quotes import Sample, is_fresh
from market.services import calendar, quote_max_age
from portfolios.models import Holding
from portfolios.money import format_price
from portfolios.selectors import paused_primaries


def owned_action(*, user: User, action_id: UUID, lock: bool = False) -> Action:
    """The one gate to somebody's rule. Raises Action.DoesNotExist for another's.

    `lock` holds its row until the end of the caller's transaction.
    """
    actions = Action.objects.filter(user=user)
    if lock:
        actions = actions.select_for_update()
    return actions.get(pk=action_id)


def actions_of(*, user: User) -> QuerySet[Action]:
    """The user's rules: those that are active before the others, each newest first."""
    return (
        Action.objects.filter(user=user)
        .select_related("portfolio")
        .order_by(Case(When(status=Action.Statuses.ACTIVE, then=0), default=1), "-created_at", "id")
    )


def rules_like(*, user: User, wanted: Mapping[str, object]) -> QuerySet[Action]:
    """Those of the user's rules that are as `wanted` says, by the names of the API's filters."""
    exactly = {name: value for name, value in wanted.items() if name != "search"}
    if "symbol" in exactly:
        exactly["symbol"] = str(exactly["symbol"]).upper()
    rules = Action.objects.filter(user=user, **exactly)
    if text := wanted.get("search"):
        rules = rules.filter(Q(symbol__icontains=text) | Q(notes__icontains=text))
    return rules


def executions_of(*, user: User) -> QuerySet[ActionExecution]:
    """What the user's rules did, newest first."""
    return (
        ActionExecution.objects.filter(action__user=user)
        .select_related("action")
        .order_by("-triggered_at", "-sequence")
    )


def symbols_concerning(*, user: User) -> list[str]:
    """The symbols that the user's rules wait for, or that the user holds, in order."""
    waited_for = Watch.objects.filter(action__user=user, symbol__isnull=False)
    held = Holding.objects.filter(portfolio__user=user)
    symbols = waited_for.values_list("symbol").union(held.values_list("instrument_id"))
    return sorted(str(symbol) for (symbol,) in symbols)


def last_tick() -> Tick | None:
    """The evaluator's newest, whichever process made it."""
    return Tick.objects.order_by("-started_at").first()


def is_ticking(last: Tick | None, *, now: datetime) -> bool:
    """Whether ticks come in time, by the last one: as the proof of watch counts what is missed."""
    return last is not None and now - last.ended_at <= missed_after(last.next_in)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a rule has not fired: its gates in their order, and the way to the level that wakes it.

    `band` is the one in which `distance` was measured, `wakes_at` the instant at which the rule is
    looked at whatever the market does, `turn` what it follows. `stale` are those of its quotes that
    are too old to act on although the market is open, the oldest first. Without gates the rule
    cannot be read; its last evaluation says why.
    """

    gates: Sequence[GateState]
    distance: Distance | None
    band: Band | None
    wakes_at: datetime | None = None
    turn: Turn | None = None
    stale: Sequence[Sample] = ()

    @property
    def blocking(self) -> GateState | None:
        """The first gate that is shut."""
        return next((gate for gate in self.gates if not gate.open), None)


def explain(
    *, actions: Sequence[Action], quotes: Mapping[str, Sample], now: datetime
) -> dict[UUID, Explanation]:
    """Why each of these rules has not fired, by the latest `quotes`; two queries for all."""
    sleeps = _sleeps(actions)
    nameless = {action.user_id for action in actions if action.portfolio_id is None}
    paused = paused_primaries(user_ids=nameless)
    view = View(now=now, woken_at=now, calendar=calendar(), max_age=timedelta(0))
    stale = _stale(quotes, now)
    return {
        action.pk: _explanation(
            _gates(action, view, paused), sleeps.get(action.pk, _Sleep()), quotes, stale
        )
        for action in actions
    }


def _stale(quotes: Mapping[str, Sample], now: datetime) -> Sequence[Sample]:
    """The quotes that tell no price of now; none while the market is closed, when there is none."""
    if not calendar().is_open(now):
        return ()
    limit = quote_max_age()
    old = (quote for quote in quotes.values() if not is_fresh(quote.as_of, now, limit))
    return sorted(old, key=lambda quote: quote.as_of)


@dataclass(slots=True)
class _Sleep:
    """What a rule waits for: the band of each symbol, and perhaps an instant."""

    bands: dict[str, Band] = field(default_factory=dict)
    at: datetime | None = None
    turn: Turn | None = None


def _explanation(
    gates: Sequence[GateState],
    sleep: _Sleep,
    quotes: Mapping[str, Sample],
    stale: Sequence[Sample],
) -> Explanation:
    distance = nearest(sleep.bands, quotes)
    band = sleep.bands[distance.symbol] if distance else None
    old = [quote for quote in stale if quote.symbol in sleep.bands]
    return Explanation(gates, distance, band, sleep.at, sleep.turn, old)


def why_in_words(action: Action, why: Explanation, zone: ZoneInfo) -> str:
    """Why it has not fired yet, or why it will not."""
    if action.status != Action.Statuses.ACTIVE:
        return action.status_reason
    if action.last_evaluation is None:
        return "Looked at with the next tick."
    if gate := why.blocking:
        until = f" It waits until {in_zone(gate.until, zone)}." if gate.until else ""
        return gate.reason + until
    stale = stale_in_words(why, zone)
    if why.distance is None:
        faulty = "faults" in action.last_evaluation  # which no new price mends
        return str(action.last_evaluation["reason"]) if faulty or not stale else stale
    rises = "rises" if why.distance.to_go > 0 else "falls"
    level = format_price(why.distance.level)
    what = "a new price" if stale else why.distance.symbol
    return f"{stale} Asleep until {what} {rises} to {level}.".lstrip()


def stale_in_words(why: Explanation, zone: ZoneInfo) -> str:
    """Of its prices that are too old to act on, the oldest; empty where none is."""
    if not why.stale:
        return ""
    oldest = why.stale[0]
    return f"{oldest.symbol}'s price is stale: the last one is of {in_zone(oldest.as_of, zone)}."


def symbols_of(action: Action) -> frozenset[str]:
    """Every symbol whose quote the rule needs; its own where it cannot be read."""
    try:
        return action.as_rule().symbols
    except InvalidRule:
        return frozenset({action.symbol} if action.symbol else ())


def _sleeps(actions: Sequence[Action]) -> Mapping[UUID, _Sleep]:
    """What the rules wait for; of a turn, the stop as it is by now."""
    marks = WaterMark.objects.filter(
        symbol=OuterRef("symbol"), turning=OuterRef("turning"), pk__lte=OuterRef("water_mark")
    )
    best = Subquery(marks.order_by("-pk").values("price")[:1])
    asked = Case(When(turning__isnull=False, then=best))  # of the others no mark is looked for
    watches = Watch.objects.filter(action__in=actions).annotate(best=asked)
    sleeps: dict[UUID, _Sleep] = {}
    for watch in watches:
        sleep = sleeps.setdefault(watch.action_id, _Sleep())
        if watch.at is not None:
            sleep.at = watch.at
        if watch.symbol is None:
            continue
        band = Band(watch.below, watch.above, watch.volume_above)
        if watch.turning is not None and watch.best is not None:
            sleep.turn = turn = Turn(Turning(watch.turning), watch.best, watch.turn_by)
            band = Band(below=turn.stop) if turn.turning.falls else Band(above=turn.stop)
        sleep.bands[watch.symbol] = on_grid(band)
    return sleeps


def _gates(action: Action, view: View, primaries: Mapping[UUID, str]) -> Sequence[GateState]:
    try:
        states = gate_states(action.as_rule(), view)
    except InvalidRule:
        return ()
    portfolio = action.portfolio
    paused = action.user_id in primaries
    if portfolio is not None:
        paused = portfolio.paused_by_owner or portfolio.paused_by_staff
    reason = "Its portfolio is paused." if paused else ""
    return [*states, GateState(Gate.PORTFOLIO, open=not paused, reason=reason)]
