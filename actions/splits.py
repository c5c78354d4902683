"""A split goes through all that is counted in shares or in prices a share: once, and at once.

One transaction: the holdings, the rules with what they remember, the quotes that woke them, what
they wait for, and what the market's tables know. Locks are taken in the house's order: rules by id,
portfolios by id, watches, quotes; the symbol's terms (market's `lock_terms`) after the rules, which
whoever resumes one has locked before. An evaluator that is just looking at a rule loses its lease
of it, and the rule is looked at again, on the quotes that woke it, in new shares.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Q

from accounts.models import User
from actions import watches
from actions.history import because, edited_since, keep_as_it_was
from actions.models import Action
from actions.notify.outbox import Notice, tell
from actions.parts import InvalidRule
from actions.receipts import doubted_message, split_message
from actions.registry import stored_params
from actions.rules import Rule, Status, Wake
from actions.sentence import sentence
from actions.water_marks import followed
from market.arrays import json_array, plain_array, text_array, uuid_array
from market.models import AnnouncedSplit
from market.services import (
    SplitRefused,
    announce_split,
    ask_for_splits,
    due_splits,
    follow,
    is_in_new_shares,
    lock_alerts,
    lock_terms,
    rescale_market,
    take_doubted,
    takes_effect,
)
from portfolios.ledger import Refusal, format_factor
from portfolios.models import Holding
from portfolios.money import PRICE_STEP
from portfolios.services import record_split as split_holdings

logger = logging.getLogger(__name__)

MOST_ATTEMPTS = 5  # while new rules of the symbol keep coming in
LIVING = (Status.ACTIVE, Status.PAUSED, Status.FAILED)

# A lease that has run out by a little and is nobody's: whoever had the rule has it no more.
_RULES = """
UPDATE actions a
   SET trigger_params = new.trigger, action_params = new.effect,
       quantity = new.quantity, runtime_state = new.state,
       status = new.status, status_reason = COALESCE(new.reason, a.status_reason),
       waking_quote = NULLIF(new.waking, '{}'),
       processing_lease_until = CASE
           WHEN new.waking <> '{}'
           THEN LEAST(a.processing_lease_until, %s) - interval '1 microsecond' END
  FROM ROWS FROM (
           unnest(%s::uuid[], %s::numeric[], %s::text[], %s::text[]),
           jsonb_array_elements(%s::jsonb), jsonb_array_elements(%s::jsonb),
           jsonb_array_elements(%s::jsonb), jsonb_array_elements(%s::jsonb))
       AS new(id, quantity, status, reason, trigger, effect, state, waking)
 WHERE a.id = new.id
"""


class Recorded(StrEnum):
    """What came of recording a split."""

    APPLIED = "applied"
    WAITS = "waits for its day"
    KNOWN = "was recorded before"


@dataclass(slots=True)
class Rescaled:
    """A rule that a split concerns, in new shares; `paused` says why where it cannot be."""

    action: Action
    rule: Rule | None = None
    paused: str = ""


@transaction.atomic
def record_split(
    *, symbol: str, factor: Fraction, on: date, now: datetime, source: str
) -> Recorded:
    """Keeps that `symbol` splits on `on`, and applies it if that day has begun in New York.

    `factor` are the new shares for each old one, `source` is who says so. The same one again
    changes nothing. Raises SplitRefused, and then nothing is kept.
    """
    announced = announce_split(symbol=symbol, factor=factor, on=on, now=now, source=source)
    due = [split for split in due_splits(now=now) if split.instrument_id == symbol]
    applied = [apply_split(split=split, now=now) for split in due]
    if any(applied):
        return Recorded.APPLIED
    return Recorded.WAITS if announced else Recorded.KNOWN


def record_announced(*, now: datetime) -> int:
    """Asks the feed for splits of the symbols that anybody has or watches, and records those that
    are new. Returns how many. Belongs outside any transaction."""
    told = ask_for_splits(symbols=watches.watchlist(), now=now)
    count = 0
    for said in told:
        try:
            recorded = record_split(
                symbol=said.symbol, factor=said.factor, on=said.on, now=now, source=said.source
            )
        except SplitRefused as refused:
            logger.error("%s %s on %s: %s", said.symbol, said.factor, said.on, refused)
            continue
        count += recorded is not Recorded.KNOWN
    return count


def apply_due_splits(*, now: datetime) -> list[str]:
    """Applies the splits whose day has begun. Returns what went wrong, a line each: such a split is
    tried again the next time, and quotes of its symbol are held meanwhile."""
    errors = []
    for split in due_splits(now=now):
        try:
            apply_split(split=split, now=now)
        except (OperationalError, InterfaceError):
            raise  # the database is gone
        except Exception as error:  # one bad split never stops the rest
            logger.error("%s could not be applied", split, exc_info=error)
            errors.append(f"{split} could not be applied: {type(error).__name__}: {error}")
    return errors


def apply_split(*, split: AnnouncedSplit, now: datetime) -> bool:
    """Applies a split that is known of; false where that has been done. Raises SplitRefused where
    somebody holds more than can be split: then nothing is."""
    for _ in range(MOST_ATTEMPTS):
        with transaction.atomic():
            rules = _locked_rules(split.instrument_id)
            lock_terms(symbol=split.instrument_id)
            if set(_concerned(split.instrument_id).values_list("id", flat=True)) == rules.keys():
                return _apply(split, rules, now)
            transaction.set_rollback(True)  # a rule came in before we had the terms
    raise SplitRefused("symbol", "Rules of this symbol keep coming in. Try again in a minute.")


@transaction.atomic
def tell_of_doubts(*, now: datetime) -> int:
    """Tells the owners of rules on symbols whose price may be that of a split that is not recorded:
    each once for each doubt. Returns how many symbols that are."""
    doubted = take_doubted()
    notices = []
    for symbol, reason in doubted.items():
        owners = _concerned(symbol).filter(status=Status.ACTIVE).values_list("user_id", flat=True)
        message = doubted_message(symbol, reason)
        notices += [Notice(user_id, None, message) for user_id in sorted(set(owners))]
    tell(notices=notices, now=now)
    return len(doubted)


def _concerned(symbol: str) -> Any:
    """The rules that are not over and look at the symbol, or trade it."""
    return Action.objects.filter(status__in=LIVING).filter(
        Q(symbol=symbol)
        | Q(trigger_params__symbol=symbol)
        | Q(action_params__targets__has_key=symbol)
    )


def _locked_rules(symbol: str) -> Mapping[UUID, Action]:
    rows = _concerned(symbol).order_by("id").select_for_update(no_key=True)
    return {action.pk: action for action in rows}


def _apply(split: AnnouncedSplit, rules: Mapping[UUID, Action], now: datetime) -> bool:
    split = AnnouncedSplit.objects.select_for_update().get(pk=split.pk)
    if split.applied_at is not None:
        return False
    symbol = split.instrument_id
    owners = set(
        Holding.objects.filter(instrument=symbol).values_list("portfolio__user_id", flat=True)
    )
    try:
        divided = split_holdings(symbol=symbol, factor=split.factor, at=now, on=split.on)
    except ValidationError as invalid:
        raise SplitRefused("on", " ".join(invalid.messages)) from None
    if isinstance(divided, Refusal):
        raise SplitRefused("factor", divided.message)
    rescaled = _rescaled(split, rules, now)
    why = f"Split {_in_words(split)}."
    with because(why):
        _write(split, rescaled, why, now)
    watches.set_watches({each.action.pk: _first_look(each, now) for each in rescaled})
    follow(symbols=[symbol])
    lock_alerts(symbols=[symbol])
    rescale_market(split=split, now=now)
    watches.widen_alerts(symbols=[symbol])
    AnnouncedSplit.objects.filter(pk=split.pk).update(applied_at=now)
    tell(notices=_notices(split, rescaled, owners), now=now)
    logger.info("%s: applied to %d rules", split, len(rescaled))
    return True


def _rescaled(
    split: AnnouncedSplit, rules: Mapping[UUID, Action], now: datetime
) -> Sequence[Rescaled]:
    """The rules in new shares. What was set since the split took effect is meant so already."""
    symbol = split.instrument_id
    starts = takes_effect(on=split.on, now=now)
    is_late = is_in_new_shares(symbol=symbol, on=split.on, now=now)
    newer = edited_since(actions=rules.values(), instant=starts)
    best = followed(action_ids=rules.keys())
    found = []
    for action in rules.values():
        if action.processing_lease_until is None and action.pk in best:
            action.runtime_state = {**action.runtime_state, **best[action.pk].state}
        each = Rescaled(action)
        try:
            rule = action.as_rule()
            after = rule.after_split(symbol, split.factor, state=not is_late)
            each.rule = rule.with_state(after.state) if action.pk in newer else after
        except (InvalidRule, TypeError) as invalid:
            if Status(action.status) is Status.ACTIVE:
                each.paused = f"Paused by the split {_in_words(split)}: {invalid}"
        found.append(each)
    return found


def _first_look(each: Rescaled, now: datetime) -> tuple[frozenset[str], Wake]:
    """A living rule is looked at again, and finds what to wait for in new shares."""
    rule = each.rule
    if rule is None or rule.status is not Status.ACTIVE:
        return frozenset(), Wake()
    return rule.symbols, Wake(at=max(now, rule.valid_from))


def _write(split: AnnouncedSplit, rescaled: Sequence[Rescaled], why: str, now: datetime) -> None:
    quiet = [
        each.action
        for each in rescaled
        if each.rule and not _differs(each.action, each.rule) and _concerns(each.rule, split)
    ]
    keep_as_it_was(actions=quiet, label="split", why=why)
    columns: list[tuple[Any, ...]] = []
    for each in rescaled:
        action, rule = each.action, each.rule
        if rule is None and not each.paused:
            continue
        columns.append(
            (
                action.pk,
                stored_params(rule.trigger) if rule else action.trigger_params,
                stored_params(rule.effect) if rule else action.action_params,
                _quantity(rule) if rule else action.quantity,
                rule.state if rule else action.runtime_state,
                Status.PAUSED.value if each.paused else action.status,
                each.paused or None,
                None if each.paused else _waking(action, split, now),
            )
        )
    if not columns:
        return
    ids, triggers, effects, quantities, states, statuses, reasons, waking = zip(
        *columns, strict=True
    )
    with connection.cursor() as cursor:
        cursor.execute(
            _RULES,
            [
                now,
                uuid_array(ids),
                plain_array(quantities),
                text_array(statuses),
                text_array(reasons),
                json_array(triggers),
                json_array(effects),
                json_array(states),
                json_array(quotes or {} for quotes in waking),
            ],
        )


def _differs(action: Action, rule: Rule) -> bool:
    """Whether the split changes what people see of the rule, not only what it remembers."""
    was = action.as_rule()
    return was.trigger != rule.trigger or was.effect != rule.effect


def _concerns(rule: Rule, split: AnnouncedSplit) -> bool:
    """Whether the rule looks at the symbol, or trades so many shares or so much money of it."""
    symbol = split.instrument_id
    return symbol == rule.symbol or symbol in rule.trigger.watched(rule)


def _quantity(rule: Rule) -> Decimal | None:
    quantity: Decimal | None = getattr(rule.effect, "quantity", None)
    return quantity


def _waking(action: Action, split: AnnouncedSplit, now: datetime) -> Mapping[str, Any] | None:
    """The quotes that woke the rule, that of the symbol in new shares; None while it sleeps."""
    waking: Mapping[str, Any] | None = action.waking_quote
    quote = (waking or {}).get("quotes", {}).get(split.instrument_id)
    if waking is None or quote is None:
        return waking
    if datetime.fromisoformat(quote["as_of"]) >= takes_effect(on=split.on, now=now):
        return waking
    by = Decimal(split.old_shares) / split.new_shares
    scaled: dict[str, Any] = {
        name: str(max((Decimal(quote[name]) * by).quantize(PRICE_STEP), PRICE_STEP))
        for name in ("price", "previous_close")
        if quote[name] is not None
    }
    if quote["volume"] is not None:
        scaled["volume"] = int(quote["volume"] * split.factor)
    quotes = {**waking["quotes"], split.instrument_id: {**quote, **scaled}}
    return {**waking, "quotes": quotes}


def _notices(
    split: AnnouncedSplit, rescaled: Sequence[Rescaled], holders: Collection[UUID]
) -> list[Notice]:
    """One for each who holds shares of the symbol or has a rule on it, with all the rules."""
    by_owner: dict[UUID, list[str]] = {user_id: [] for user_id in holders}
    zones = User.objects.in_bulk({each.action.user_id for each in rescaled})
    for each in rescaled:
        lines = by_owner.setdefault(each.action.user_id, [])
        zone = zones[each.action.user_id].zone
        line = sentence(each.rule, zone) if each.rule else each.action.sentence(zone)
        lines.append(f"{line} {each.paused}".strip())
    return [
        Notice(user_id, None, split_message(split.instrument_id, _in_words(split), lines))
        for user_id, lines in sorted(by_owner.items())
    ]


def _in_words(split: AnnouncedSplit) -> str:
    return f"{format_factor(split.factor)} of {split.instrument_id} on {split.on}"
