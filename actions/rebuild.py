"""Derives every watch anew from the rules: watches are hints, and none of them is the truth."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import batched
from uuid import UUID

from django.db import transaction

from actions.judge import Finding, judge
from actions.models import Action, Watch
from actions.parts import InvalidRule
from actions.rules import Rule, Status, View, Wake
from actions.sight import Sight, Standing
from actions.turns import Turn
from actions.watches import Row, alone, set_watches, watch_rows, widen_alerts
from actions.water_marks import followed
from market.models import Quote
from market.selectors import latest_quotes

CHUNK = 1000  # rules looked at, and locked, at a time


@dataclass(slots=True)
class Rebuilt:
    """How many sleeping rules were looked at, and how many watches were not as derived."""

    rules: int = 0
    differing: int = 0


def rebuild_watches(*, now: datetime, write: bool = True) -> Rebuilt:
    """Compares the watches of all sleeping rules with what the rules say, and puts them right.

    Rules that are awake or locked are left to whoever has them. With `write` false it only counts.
    """
    rebuilt = Rebuilt()
    ids = Action.objects.filter(status=Status.ACTIVE).order_by("id").values_list("id", flat=True)
    for chunk in batched(ids.iterator(chunk_size=CHUNK), CHUNK):
        with transaction.atomic():
            _rebuild(chunk, now, rebuilt, write=write)
    with transaction.atomic():
        leftover = Watch.objects.exclude(action__status=Status.ACTIVE)
        rebuilt.differing += leftover.count()
        if write:
            leftover.delete()
            widen_alerts(symbols=list(Quote.objects.values_list("instrument_id", flat=True)))
    return rebuilt


@transaction.atomic
def rebuild_watches_of(*, action: Action, now: datetime) -> Rebuilt:
    """The same for one rule, of which it looks at none where the rule is awake or not active."""
    rebuilt = Rebuilt()
    _rebuild((action.pk,), now, rebuilt, write=True)
    return rebuilt


def _rebuild(ids: tuple[UUID, ...], now: datetime, rebuilt: Rebuilt, *, write: bool) -> None:
    asleep = Action.objects.select_for_update(skip_locked=True).filter(
        id__in=ids, status=Status.ACTIVE, processing_lease_until__isnull=True
    )
    rules = list(_rules(asleep.prefetch_related("watches"), followed(action_ids=ids)))
    rebuilt.rules += len(rules)
    wakes = _wakes(rules, now)
    wrong = {
        action.pk: (rule.symbols, wakes[action.pk])
        for action, rule in rules
        if not _stands(action, rule, wakes[action.pk], now)
    }
    rebuilt.differing += len(wrong)
    if write:
        set_watches(wrong)


def _stands(action: Action, rule: Rule, wake: Wake, now: datetime) -> bool:
    """Whether the rule's watches are as derived, or have it looked at in the next tick anyway."""
    stored = list(action.watches.all())
    if any(watch.at is not None and watch.at <= now for watch in stored):
        return True
    derived = watch_rows(action.pk, rule.symbols, wake)
    # A rule that follows a water mark may have had to begin by itself.
    contents = {_of(row) for row in derived}, {_of(alone(row)) for row in derived}
    return {_stored(watch) for watch in stored} in contents


def _stored(watch: Watch) -> tuple[object, ...]:
    levels = (watch.below, watch.above, watch.volume_above, watch.turning, watch.turn_by)
    return watch.symbol, levels, watch.at


def _of(row: Row) -> tuple[object, ...]:
    band, turn = row.band, row.band.turn
    turning = (turn.turning, turn.by) if turn else (None, None)
    return row.symbol, (band.below, band.above, band.volume_above, *turning), row.at


def _rules(actions: Iterable[Action], turns: Mapping[UUID, Turn]) -> Iterator[tuple[Action, Rule]]:
    """The rules with the state they would wake with. What they follow is not derived from them."""
    for action in actions:
        if action.pk in turns:
            action.runtime_state |= turns[action.pk].state
        try:
            yield action, action.as_rule()
        except InvalidRule:
            continue  # the engine puts it off and says so


def _wakes(rules: list[tuple[Action, Rule]], now: datetime) -> dict[UUID, Wake]:
    """When each rule must be woken, judged by the last known quotes, however old: a band holds for
    the price that was seen last."""
    quotes = latest_quotes(symbols={symbol for _, rule in rules for symbol in rule.symbols})
    seen = [(Standing(action.portfolio_id, now, quotes), rule) for action, rule in rules]
    sight = Sight(seen, now=now, max_age=timedelta.max)
    return {
        action.pk: _wake(rule, sight.view(standing, rule), now)
        for (action, _), (standing, rule) in zip(rules, seen, strict=True)
    }


def _wake(rule: Rule, view: View, now: datetime) -> Wake:
    verdict = judge(rule, view)
    if verdict.finding is Finding.FIRED or verdict.state != rule.state:
        return Wake(at=now)  # it has something to do: the evaluator's business
    return verdict.wake
