"""Fires a rule because its owner says so, once for each key that is sent with the wish."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection, transaction

from accounts.models import User
from actions.booking import Booked, Firing, book, check_paused
from actions.history import because
from actions.judge import Finding, Verdict
from actions.lease import Leased, read_rows
from actions.limits import GATES, Gate
from actions.models import Action, ActionExecution
from actions.notify.outbox import tell
from actions.recording import last_sequences, write_executions
from actions.rules import Desk, Rule, Status, View, Wake
from actions.selectors import owned_action
from actions.services import RuleChanged
from actions.trading import HeldBack
from actions.watches import sleep_for_good
from market.quotes import max_age
from market.selectors import latest_quotes
from market.services import calendar
from portfolios.selectors import paused_primaries
from portfolios.services import LockedPortfolio, lock_portfolio, primary_portfolios, write

LONGEST_KEY = 200
BY_HAND = "You executed it by hand."

# What a person's wish passes by; the trigger is not asked either.
_NOT_ASKED = frozenset({Gate.COOLDOWN})


class GateRefused(ValueError):
    """The rule may not be executed now: `gate` is which one is shut, the message is why."""

    def __init__(self, gate: str, reason: str) -> None:
        self.gate = gate
        super().__init__(reason)


class KeyReused(ValueError):
    """The idempotency key was sent before, with another request."""

    def __init__(self) -> None:
        super().__init__(
            "This Idempotency-Key was used for another request. Send a new key with a new wish."
        )


class InvalidKey(ValueError):
    """An idempotency key that is empty or too long."""

    def __init__(self) -> None:
        super().__init__(f"Send an Idempotency-Key of 1 to {LONGEST_KEY} characters.")


@transaction.atomic
def execute_now(
    *,
    user: User,
    action_id: UUID,
    key: str,
    now: datetime,
    request: Mapping[str, Any] | None = None,
    as_rehearsal: bool = False,
) -> ActionExecution:
    """Executes the user's rule at the price seen now, whatever its trigger and cooldown say.

    Asked again with the same `key` it does nothing and returns the execution of the first time,
    successful or refused by the portfolio; two at once are one. `request` is what else was asked
    for with the key, as JSON. The rule's watch and the state of its trigger stay as they are, and
    an evaluator that holds the rule goes on with it, if its gates still let it. Whoever takes the
    rule for a rehearsal says so with `as_rehearsal`: promoted meanwhile, it is not executed.

    Raises Action.DoesNotExist for another's rule, InvalidKey, KeyReused, RuleChanged for what is
    no rehearsal any more, GateRefused for a gate that is shut (nothing is recorded then, and the
    key can be sent again) and InvalidRule for a stored rule that cannot be read.
    """
    if not 1 <= len(key) <= LONGEST_KEY or "\0" in key:
        raise InvalidKey
    fingerprint = _fingerprint(action_id, request or {})
    _queue_for(user, key)
    if before := _executed_before(user, key):
        if before.request_fingerprint != fingerprint:
            raise KeyReused
        return before
    action = owned_action(user=user, action_id=action_id, lock=True)
    if as_rehearsal and not action.rehearsal:
        raise RuleChanged("The rule was promoted meanwhile, and would trade. Look at it again.")
    booked = _execute(read_rows(ids=[action.pk])[action.pk], now)
    write_executions(executions=[booked.execution], at=now, key=key, fingerprint=fingerprint)
    with because(BY_HAND, user=user):
        _count(action, booked, now)
    tell(notices=[booked.notice], now=now)
    return ActionExecution.objects.get(pk=booked.execution.id)


def try_execution(*, user: User, action_id: UUID, now: datetime) -> ActionExecution:
    """What execute_now would record now, with nothing recorded. Raises what it raises."""
    with transaction.atomic():
        try:
            return execute_now(user=user, action_id=action_id, key=f"try {uuid4()}", now=now)
        finally:
            transaction.set_rollback(True)


def _fingerprint(action_id: UUID, request: Mapping[str, Any]) -> str:
    asked = json.dumps({"action": str(action_id), "request": request}, sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()


def _queue_for(user: User, key: str) -> None:
    """Has a second wish with the key wait until the first one is done. The lock is ours alone, and
    the first that is taken: nobody waits for it who holds another."""
    digest = hashlib.sha256(f"{user.pk} {key}".encode()).digest()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s)", [int.from_bytes(digest[:8], signed=True)]
        )


def _executed_before(user: User, key: str) -> ActionExecution | None:
    return ActionExecution.objects.filter(action__user=user, idempotency_key=key).first()


def _execute(leased: Leased, now: datetime) -> Booked:
    rule = leased.as_rule()
    view = View(
        now=now,
        woken_at=now,
        calendar=calendar(),
        max_age=max_age(settings.TICK_SECONDS_OPEN),
        quotes=latest_quotes(symbols=rule.effect.symbols(rule)),
    )
    _check_gates(rule, view)
    portfolio = _portfolio(leased) if rule.effect.trades or leased.portfolio_id else None
    of_primary = {} if portfolio else paused_primaries(user_ids=[leased.user_id])
    verdict = Verdict(Finding.FIRED, BY_HAND, rule.state, Wake())
    sequence = last_sequences(leased=[leased]).get(leased.id, 0) + 1
    firing = Firing(leased, rule, verdict, view)
    try:
        check_paused(portfolio.paused if portfolio else of_primary.get(leased.user_id, ""))
        portfolio = portfolio if rule.effect.trades else None
        standing = portfolio.snapshot if portfolio else None
        desk = Desk(now=now, quotes=view.quotes, portfolio=standing)
        booked = book(firing, desk=desk, portfolio=portfolio, sequence=sequence)
    except HeldBack as back:
        raise GateRefused(back.refused.gate, back.refused.reason) from None
    write(locked=[portfolio] if portfolio else [], at=now)
    return booked


def _check_gates(rule: Rule, view: View) -> None:
    for gate, ask in GATES.items():
        if gate not in _NOT_ASKED and (refused := ask(rule, view)):
            raise GateRefused(gate, refused.reason)
    if blind := view.blind_spots(rule.effect.symbols(rule)):
        raise GateRefused("quote", " ".join(blind.values()))


def _portfolio(leased: Leased) -> LockedPortfolio:
    primary = leased.portfolio_id or primary_portfolios(user_ids=[leased.user_id])[leased.user_id]
    return lock_portfolio(portfolio_id=primary)


def _count(action: Action, booked: Booked, now: datetime) -> None:
    """Counts the execution on the rule. Its lease stands while it is active: a crossing that woke
    it is not lost, and whoever holds it asks the gates again, since the row was written to."""
    after = booked.after
    action.executions_count = after.executions_count
    action.consecutive_failures = after.consecutive_failures
    action.last_triggered_at = now
    action.status = Action.Statuses(after.status)
    action.status_reason = booked.status_reason
    action.updated_at = now
    ended = after.status is not Status.ACTIVE
    if ended:
        action.processing_lease_until = None
        action.waking_quote = None
    action.save()
    if ended:
        sleep_for_good(action_ids=[action.pk])
