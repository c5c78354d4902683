"""What people do with rules: each function is one use case in one transaction.

Pages, admin, API and chat call these and nothing else. Instants are handed in. A rule that cannot
be is refused with InvalidRule, which names every field that is wrong.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts.models import User
from actions.history import because
from actions.lifecycle import check_transition
from actions.models import Action
from actions.registry import parse_effect, parse_trigger, stored_params
from actions.rules import InvalidRule, Rule, Status
from actions.selectors import owned_action
from actions.sight import Sight, Standing
from actions.watches import first_look, sleep_for_good
from market.directory import Listing
from market.history import keep_history
from market.selectors import latest_quotes
from market.services import admit, calendar, follow, keep_terms
from portfolios.models import Portfolio
from portfolios.services import primary_portfolio

LONGEST_COOLDOWN_SECONDS = 366 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A rule as somebody asks for it: names and meanings are those of the columns.

    `valid_until` may be an instant, or a date: then it is that date's close, or the last close
    before it where that day has no session.
    """

    action_type: str
    trigger_type: str
    trigger_params: Mapping[str, Any]
    symbol: str | None = None
    quantity: Decimal | None = None
    amount_usd: Decimal | None = None
    action_params: Mapping[str, Any] = field(default_factory=dict)
    portfolio_id: UUID | None = None
    valid_from: datetime | None = None
    valid_until: datetime | date | None = None
    max_executions: int | None = 1
    cooldown_seconds: int | None = None
    notes: str | None = None


@transaction.atomic
def create_action(*, user: User, draft: Draft, now: datetime) -> Action:
    """Stores the rule, active, to be looked at in the next tick.

    Raises InvalidRule, naming each field that is wrong.
    """
    rule = _parse(draft, now)
    action = Action(
        user=user,
        portfolio=_portfolio(user, draft, rule),
        action_type=draft.action_type,
        symbol=rule.symbol,
        quantity=draft.quantity,
        amount_usd=draft.amount_usd,
        action_params=stored_params(rule.effect),
        trigger_type=draft.trigger_type,
        trigger_params=stored_params(rule.trigger),
        valid_from=rule.valid_from,
        valid_until=rule.valid_until,
        max_executions=rule.max_executions,
        cooldown_seconds=rule.cooldown_seconds,
        notes=draft.notes,
        created_at=now,
        updated_at=now,
    )
    _start(action, rule, now)
    action.save(force_insert=True)
    _look_from(action, rule, now)
    return action


def pause_action(*, user: User, action_id: UUID, now: datetime) -> Action:
    """The rule sleeps until it is resumed. Raises TransitionRefused where it cannot be paused."""
    return _end_watch(user, action_id, Status.PAUSED, "Paused by you.", now)


def cancel_action(*, user: User, action_id: UUID, now: datetime) -> Action:
    """Ends the rule for good; it stays to be seen. Raises TransitionRefused."""
    return _end_watch(user, action_id, Status.CANCELLED, "Cancelled by you.", now)


@transaction.atomic
def resume_action(*, user: User, action_id: UUID, now: datetime) -> Action:
    """Wakes a paused or failed rule. Its trigger starts anew: peaks and crossings are forgotten.

    Raises TransitionRefused where it cannot be resumed, InvalidRule where it has expired or can no
    longer be read.
    """
    action = owned_action(user=user, action_id=action_id, lock=True)
    check_transition(Status(action.status), Status.ACTIVE)
    action.status = Action.Statuses.ACTIVE
    rule = action.as_rule()
    if rule.valid_until is not None and now >= rule.valid_until:
        raise InvalidRule({"valid_until": "The rule has expired. Give it a later end first."})
    action.status_reason = "Resumed by you: its trigger has started anew."
    action.consecutive_failures = 0
    action.updated_at = now
    _start(action, rule, now)
    with because("Resumed.", user=user):
        action.save()
    _look_from(action, rule, now)
    return action


@transaction.atomic
def _end_watch(user: User, action_id: UUID, status: Status, reason: str, now: datetime) -> Action:
    action = owned_action(user=user, action_id=action_id, lock=True)
    check_transition(Status(action.status), status)
    action.status = Action.Statuses(status)
    action.status_reason = reason
    action.updated_at = now
    # Whoever is just looking at the rule finds its lease gone, and lets go of it.
    action.processing_lease_until = None
    action.waking_quote = None
    with because(reason, user=user):
        action.save()
    sleep_for_good(action_ids=[action.pk])
    return action


def _parse(draft: Draft, now: datetime) -> Rule:
    """The draft as a rule. Raises InvalidRule with all that is wrong, not only the first."""
    errors: dict[str, str] = {}
    trigger = _try(errors, parse_trigger, draft.trigger_type, draft.trigger_params)
    sizes = {"quantity": draft.quantity, "amount_usd": draft.amount_usd}
    effect = _try(
        errors,
        parse_effect,
        draft.action_type,
        sizes={name: size for name, size in sizes.items() if size is not None},
        params=draft.action_params,
    )
    errors |= _limit_errors(draft)
    if trigger is None or effect is None or errors:
        raise InvalidRule(errors)
    rule = Rule(
        id=None,
        symbol=draft.symbol.strip().upper() if draft.symbol else None,
        trigger=trigger,
        effect=effect,
        valid_from=draft.valid_from or now,
        valid_until=_instant(draft.valid_until),
        max_executions=draft.max_executions,
        cooldown_seconds=draft.cooldown_seconds,
    )
    effect.check(rule.symbol)
    trigger.check(rule)
    _check_symbols(rule)
    _check_span(rule, now)
    return rule


def _try[**P, R](
    errors: dict[str, str], parse: Callable[P, R], *args: P.args, **kw: P.kwargs
) -> R | None:
    try:
        return parse(*args, **kw)
    except InvalidRule as invalid:
        errors |= invalid.errors
        return None


def _limit_errors(draft: Draft) -> dict[str, str]:
    errors = {}
    if draft.max_executions is not None and not 1 <= draft.max_executions <= 1_000_000:
        errors["max_executions"] = "Use a whole number from 1, or leave it out for no limit."
    cooldown = draft.cooldown_seconds
    if cooldown is not None and not 0 <= cooldown <= LONGEST_COOLDOWN_SECONDS:
        errors["cooldown_seconds"] = "Use whole seconds, from 0 to a year."
    return errors


def _check_symbols(rule: Rule) -> None:
    named = {"symbol": rule.symbol} if rule.symbol else {}
    for prefix, part in (("trigger_params", rule.trigger), ("action_params", rule.effect)):
        named |= {f"{prefix}.{path}": symbol for path, symbol in part.named().items()}
    unknown = admit(symbols=set(named.values()))
    if unknown:
        raise InvalidRule(
            {
                path: _not_known(symbol, unknown[symbol])
                for path, symbol in named.items()
                if symbol in unknown
            }
        )


def _not_known(symbol: str, near: Sequence[Listing]) -> str:
    words = f"“{symbol}” is not a symbol that is known here."
    meant = " or ".join(f"{listing.symbol} ({listing.name})" for listing in near)
    return f"{words} Did you mean {meant}?" if meant else words


def _check_span(rule: Rule, now: datetime) -> None:
    if rule.valid_until is None:
        return
    if rule.valid_until <= now:
        raise InvalidRule({"valid_until": "That has passed already. Choose a later end."})
    if rule.valid_until <= rule.valid_from:
        raise InvalidRule({"valid_until": "It must be later than valid_from."})


def _instant(end: datetime | date | None) -> datetime | None:
    if end is None or isinstance(end, datetime):
        return end
    return calendar().last_close_until(end)


def _portfolio(user: User, draft: Draft, rule: Rule) -> Portfolio | None:
    if draft.portfolio_id is not None:
        mine = Portfolio.objects.filter(user=user, pk=draft.portfolio_id).first()
        if mine is None:
            raise InvalidRule({"portfolio_id": "You have no such portfolio."})
        return mine
    if rule.effect.trades or rule.trigger.needs(rule).portfolio:
        return primary_portfolio(user=user)
    return None


def _start(action: Action, rule: Rule, now: datetime) -> None:
    """Gives the trigger the state to start from.

    The last quote counts as the price at this instant if it is not older than the last close: until
    there is another it tells what the price is. One from before tells what it was.
    """
    keep_terms(symbols=rule.symbols)  # or else a split could pass between the quote and the commit
    action.runtime_state = {}
    if rule.valid_from > now:
        return  # it is activated by the first look at it then
    last_close = calendar().last_close(now)
    known = latest_quotes(symbols=rule.trigger.watched(rule))
    standing = {symbol: quote for symbol, quote in known.items() if quote.as_of >= last_close}
    seen = Standing(action.portfolio_id, woken_at=now, quotes=standing)
    view = Sight([(seen, rule)], now=now, max_age=timedelta.max).view(seen, rule)
    action.runtime_state = dict(rule.trigger.activate(rule, view))


def _look_from(action: Action, rule: Rule, now: datetime) -> None:
    follow(symbols=rule.symbols)
    if span := rule.trigger.needs(rule).span:
        keep_history(symbols=rule.trigger.charted(rule), span=span)
    first_look(action_id=action.pk, symbols=rule.symbols, at=max(now, rule.valid_from))
