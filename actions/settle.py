"""Writes down what a look at a rule found, and puts the rule back to sleep."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from actions.closest import closest_approaches
from actions.judge import Finding, Verdict
from actions.lease import Leased, read_rows
from actions.notify.outbox import Notice, tell
from actions.receipts import expired_message, missed_message
from actions.rules import Status, Wake
from actions.watches import set_watches
from market.arrays import json_array, plain_array, text_array, uuid_array
from market.bulk import ask, run

FIRST_BACK_OFF = timedelta(seconds=30)
LONGEST_BACK_OFF = timedelta(minutes=15)

# Only rules that are still ours: one that was paused, or taken over, keeps what it has.
_SETTLE = """
WITH settled AS (
    UPDATE actions a
       SET last_evaluated_at = %(now)s,
           last_evaluation = look.evaluation,
           runtime_state = look.state,
           begun = a.begun OR (look.evaluation->'faults' IS NULL
                               AND %(now)s >= COALESCE(a.valid_from, a.created_at)),
           status = look.status,
           status_reason =
               CASE WHEN look.status = 'active' THEN a.status_reason ELSE look.reason END,
           processing_lease_until = NULL,
           waking_quote = NULL
      FROM ROWS FROM (
               unnest(%(ids)s::uuid[], %(untils)s::timestamptz[], %(statuses)s::text[],
                      %(reasons)s::text[]),
               jsonb_array_elements(%(evaluations)s::jsonb),
               jsonb_array_elements(%(states)s::jsonb))
           AS look(id, until, status, reason, evaluation, state)
     WHERE a.id = look.id AND a.processing_lease_until = look.until
    RETURNING a.id
), slept AS (
    DELETE FROM wakings WHERE action_id IN (SELECT id FROM settled)
)
SELECT id FROM settled
"""

_OUT_OF_TIME = "SELECT id FROM actions WHERE status = 'paused' AND valid_until <= %s"

# Locked in the order of their ids, as everywhere; one that was resumed meanwhile lives on.
_EXPIRE = """
WITH over AS (
    SELECT id FROM actions
     WHERE id = ANY(%(ids)s::uuid[]) AND status = 'paused' AND valid_until <= %(now)s
     ORDER BY id FOR NO KEY UPDATE
)
UPDATE actions a SET status = 'completed', status_reason = 'Expired.', updated_at = %(now)s
  FROM over WHERE a.id = over.id
RETURNING a.id
"""


@dataclass(frozen=True, slots=True)
class Look:
    """A leased rule, what the look at it found, and the symbols whose quotes it needs."""

    leased: Leased
    verdict: Verdict
    symbols: frozenset[str]


def settle(*, looks: Sequence[Look], now: datetime) -> None:
    """Records looks that fired nothing, in one transaction, and sets the rules' next watches.

    A rule whose lease is no longer ours is left alone.
    """
    if not looks:
        return
    with transaction.atomic():
        ours = _write(looks, now)
        kept = [look for look in looks if look.leased.id in ours]
        set_watches(wakes={look.leased.id: (look.symbols, look.verdict.wake) for look in kept})
        tell(notices=_notices(kept, now), now=now)


def ask_out_of_time(*, now: datetime) -> Callable[[], list[UUID]]:
    """Asks for the paused rules whose time has run out, and gives what is called for their ids
    (`market.bulk.ask`). An active one is woken and judged."""
    rows = ask(_OUT_OF_TIME, [now])
    return lambda: [id for (id,) in rows()]


@transaction.atomic
def expire_paused(*, ids: Sequence[UUID], now: datetime) -> int:
    """Completes those of these rules that are still paused and out of time, and tells their owners.
    Returns how many."""
    ended = [id for (id,) in run(_EXPIRE, {"now": now, "ids": uuid_array(ids)})]
    tell(notices=_expired_notices(list(read_rows(ids=ended).values()), now), now=now)
    return len(ended)


def after_fault(leased: Leased, error: Exception, now: datetime) -> Look:
    """A look that went wrong through no fault of the rule's owner: it is tried again, later.

    The wait doubles with every fault in a row. The error's kind is recorded, and its words, which
    support can read; it is not an execution.
    """
    faults = leased.faults + 1
    wait = min(FIRST_BACK_OFF * 2 ** min(faults - 1, 10), LONGEST_BACK_OFF)
    verdict = Verdict(
        Finding.UNKNOWN,
        f"Looking at the rule failed ({type(error).__name__}: {error}). "
        f"It is looked at again in {round(wait.total_seconds())} s.",
        state=leased.state,
        wake=Wake(at=now + wait),
        faults=faults,
    )
    # The rule may be past reading: what it watched is what there was to wake it with.
    watched = {*leased.quotes, leased.symbol}
    return Look(leased, verdict, frozenset(symbol for symbol in watched if symbol))


def evaluation_record(verdict: Verdict, now: datetime) -> dict[str, Any]:
    """What stays on the rule as `last_evaluation`."""
    record = {
        "finding": verdict.finding.value,
        "reason": verdict.reason,
        "gate": verdict.gate,
        "at": now.isoformat(),
    }
    return record | {"faults": verdict.faults} if verdict.faults else record


def _notices(looks: Sequence[Look], now: datetime) -> list[Notice]:
    """What the owners of rules are told that have expired, or came true too long ago."""
    ended = [look.leased for look in looks if look.verdict.finding is Finding.EXPIRED]
    return _expired_notices(ended, now) + [
        Notice(look.leased.user_id, look.leased.id, missed_message(look.leased, look.verdict))
        for look in looks
        if look.verdict.finding is Finding.MISSED
    ]


def _expired_notices(ended: Sequence[Leased], now: datetime) -> list[Notice]:
    near = closest_approaches(rows=ended, now=now)
    return [
        Notice(each.user_id, each.id, expired_message(each, near.get(each.id))) for each in ended
    ]


def _write(looks: Sequence[Look], now: datetime) -> set[UUID]:
    looks = sorted(looks, key=lambda look: look.leased.id)  # rows are locked in this order
    expired = [look.verdict.finding is Finding.EXPIRED for look in looks]
    rows = run(
        _SETTLE,
        {
            "now": now,
            "ids": uuid_array(look.leased.id for look in looks),
            "untils": plain_array(look.leased.until for look in looks),
            "evaluations": json_array(evaluation_record(look.verdict, now) for look in looks),
            "states": json_array(look.verdict.state for look in looks),
            "statuses": plain_array(
                Status.COMPLETED if over else Status.ACTIVE for over in expired
            ),
            "reasons": text_array("Expired." if over else "" for over in expired),
        },
    )
    return {id for (id,) in rows}
