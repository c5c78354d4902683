"""Writes what firings led to: each table in one statement, however many they are."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from actions.booking import Booked, Execution
from actions.lease import Leased
from actions.settle import evaluation_record
from market.arrays import json_array, plain_array, text_array, uuid_array
from market.bulk import run, send

_LAST_SEQUENCES = """
SELECT action_id, max(sequence) FROM action_executions
 WHERE action_id = ANY(%s::uuid[]) GROUP BY action_id
"""

_EXECUTIONS = """
INSERT INTO action_executions (id, action_id, sequence, triggered_at, execution_status, rehearsal,
                               details, transaction_id, error, idempotency_key,
                               request_fingerprint)
SELECT id, action_id, sequence, %(at)s,
       CASE WHEN error = '' THEN 'success' ELSE 'failed' END,
       rehearsal, details, transaction_id, NULLIF(error, ''), %(key)s, %(fingerprint)s
  FROM ROWS FROM (
           unnest(%(ids)s::uuid[], %(actions)s::uuid[], %(sequences)s::integer[],
                  %(rehearsals)s::boolean[], %(transactions)s::uuid[], %(errors)s::text[]),
           jsonb_array_elements(%(details)s::jsonb))
       AS execution(id, action_id, sequence, rehearsal, transaction_id, error, details)
"""

# Said twice, by the join and by the array: it is then never cheapest to read all rules.
_RULES = """
WITH slept AS (DELETE FROM wakings WHERE action_id = ANY(%(ids)s::uuid[]))
UPDATE actions a
   SET last_evaluated_at = %(now)s,
       last_evaluation = fired.evaluation,
       runtime_state = fired.state,
       begun = true,
       status = fired.status,
       status_reason = fired.reason,
       executions_count = fired.executions,
       consecutive_failures = fired.failures,
       last_triggered_at = %(now)s,
       processing_lease_until = NULL,
       waking_quote = NULL
  FROM ROWS FROM (
           unnest(%(ids)s::uuid[], %(statuses)s::text[], %(reasons)s::text[],
                  %(executions)s::integer[], %(failures)s::integer[]),
           jsonb_array_elements(%(evaluations)s::jsonb), jsonb_array_elements(%(states)s::jsonb))
       AS fired(id, status, reason, executions, failures, evaluation, state)
 WHERE a.id = fired.id AND a.id = ANY(%(ids)s::uuid[])
"""


def last_sequences(*, leased: Collection[Leased]) -> dict[UUID, int]:
    """The number of each rule's last execution; a rule that was never triggered is absent. One that
    was promoted may have been triggered before, which only its executions tell.

    Safe to count from: the rules' rows are locked, and the unique constraint stands behind it.
    """
    triggered = [each.id for each in leased if each.last_triggered_at or each.promoted_at]
    if not triggered:
        return {}
    return dict(run(_LAST_SEQUENCES, [uuid_array(triggered)]))


def write_executions(
    *,
    executions: Sequence[Execution],
    at: datetime,
    key: str | None = None,
    fingerprint: str | None = None,
) -> None:
    """Appends what was done. `key` is the idempotency key that it was asked for with, and
    `fingerprint` that of the request."""
    if not executions:
        return
    send(
        _EXECUTIONS,
        {
            "at": at,
            "key": key,
            "fingerprint": fingerprint,
            "ids": uuid_array(each.id for each in executions),
            "actions": uuid_array(each.action_id for each in executions),
            "sequences": plain_array(each.sequence for each in executions),
            "rehearsals": plain_array(each.rehearsal for each in executions),
            "details": json_array(each.details for each in executions),
            "transactions": uuid_array(each.transaction_id for each in executions),
            "errors": text_array(each.error for each in executions),
        },
    )


def write_rules(*, booked: Sequence[Booked], now: datetime) -> None:
    """Counts the firings on their rules, whose rows the caller has locked, and lets go of them."""
    if not booked:
        return
    verdicts = [each.firing.verdict for each in booked]
    send(
        _RULES,
        {
            "now": now,
            "ids": uuid_array(each.firing.leased.id for each in booked),
            "evaluations": json_array(evaluation_record(verdict, now) for verdict in verdicts),
            "states": json_array(each.after.state for each in booked),
            "statuses": plain_array(each.after.status.value for each in booked),
            "reasons": text_array(each.status_reason for each in booked),
            "executions": plain_array(each.after.executions_count for each in booked),
            "failures": plain_array(each.after.consecutive_failures for each in booked),
        },
    )
