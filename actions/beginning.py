"""Rules that have become valid begin at the last price until then, before there is another."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from actions.judge import begin
from actions.lease import Leased, read_rows
from actions.rules import Rule, State
from actions.sight import Sight, Standing
from market.arrays import json_array, uuid_array
from market.bulk import ask, send
from market.selectors import latest_quotes

# Whose instant has come, and whose trigger has no state yet (Leased.has_begun).
_VALID_NOW = """
SELECT a.id FROM watches w CROSS JOIN LATERAL (
    SELECT a.id FROM actions a
     WHERE a.id = w.action_id AND a.status = 'active' AND a.processing_lease_until IS NULL
       AND a.valid_from <= %(now)s AND a.runtime_state = '{}'
       AND NOT COALESCE(a.begun, GREATEST(a.updated_at, a.last_evaluated_at) >= a.valid_from)
    OFFSET 0) AS a
 WHERE w.at <= %(now)s
"""

# One that was changed meanwhile, or that somebody holds, is begun by its change or its look.
_BEGIN = """
WITH found AS (
    SELECT a.id, new.state
      FROM ROWS FROM (unnest(%(ids)s::uuid[]), jsonb_array_elements(%(states)s::jsonb))
           AS new(id, state) JOIN actions a ON a.id = new.id
     WHERE a.status = 'active' AND a.processing_lease_until IS NULL
       AND a.valid_from <= %(now)s AND a.runtime_state = '{}'
       AND NOT COALESCE(a.begun, GREATEST(a.updated_at, a.last_evaluated_at) >= a.valid_from)
       FOR NO KEY UPDATE OF a SKIP LOCKED
)
UPDATE actions a SET runtime_state = found.state, begun = true FROM found WHERE a.id = found.id
"""


def ask_valid_now(*, now: datetime) -> Callable[[], list[UUID]]:
    """Asks for the rules that have become valid and have not begun, and gives what is called for
    their ids (`market.bulk.ask`)."""
    rows = ask(_VALID_NOW, {"now": now})
    return lambda: list({id for (id,) in rows()})


def begin_rules(*, ids: Sequence[UUID], now: datetime) -> None:
    """Gives these rules' triggers the state to start from. The look that is due then finds it, and
    begins those that have none."""
    states = _states(list(read_rows(ids=ids).values()), now)
    send(_BEGIN, {"ids": uuid_array(states), "states": json_array(states.values()), "now": now})


def _states(rows: Sequence[Leased], now: datetime) -> Mapping[UUID, State]:
    readable = []
    for row in rows:
        try:
            readable.append((row, row.as_rule()))
        except ValueError:  # its look says what is wrong with it
            continue
    known = latest_quotes(symbols={of for _, rule in readable for of in rule.trigger.watched(rule)})
    seen: list[tuple[Standing, Rule]] = [
        (Standing(row.portfolio_id, woken_at=now, quotes=known), rule) for row, rule in readable
    ]
    sight = Sight(seen, now=now, max_age=timedelta.max)
    states = {}
    for (row, rule), (standing, _) in zip(readable, seen, strict=True):
        try:
            state = begin(rule, sight.view(standing, rule)).state
        except Exception:  # noqa: S112 -- one bad rule stops no other, and its look says what is wrong
            continue
        if state:
            states[row.id] = state
    return states
