"""Takes woken rules for evaluation, so that no two evaluators ever hold the same one."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson

from actions.registry import parse_effect, parse_trigger
from actions.rules import Effect, Rule, State, Status, Trigger
from actions.sentence import sentence
from market.arrays import instant_array, text_array, uuid_array
from market.bulk import ask, run, send, transaction_sent_ahead
from market.quotes import Sample

# A row's version is the transaction that wrote it and the place where it stands: whoever writes to
# it changes one or both, and merely locking it changes neither. Parameters come as text, by which
# what is read of them is kept: rules of a kind share it.
_COLUMNS = """
    r.id, r.user_id, u.time_zone, r.portfolio_id, r.status, r.action_type, r.symbol, r.quantity,
    r.amount_usd, r.action_params::text, r.trigger_type, r.trigger_params::text,
    r.runtime_state::text, r.begun, COALESCE(r.valid_from, r.created_at), r.valid_until,
    r.max_executions, r.executions_count, r.cooldown_seconds, r.last_triggered_at,
    r.consecutive_failures, r.updated_at, r.last_evaluated_at,
    COALESCE((r.last_evaluation->>'faults')::int, 0), r.last_evaluation->>'gate',
    r.status_reason, r.rehearsal, r.promoted_at, r.processing_lease_until, r.waking_quote::text,
    r.version
"""

# Longest not looked at first, so that no rule starves when more are awake than one lease takes; and
# with a rule those of its portfolio, so that two evaluators do not wait for each other's, and that
# of rules which want the same shares the oldest goes first: it has the earlier claim. How many are
# awake is what statistics know least, so nothing here is joined: rows are found by arrays of keys,
# and IS TRUE has a list looked up in a hash table, not walked through for each rule.
_LEASE = f"""
WITH books AS (
    SELECT book, sum(count(*)) OVER (ORDER BY min(looked_at), book) - count(*) AS rules_before
      FROM wakings WHERE until <= %(now)s GROUP BY book  -- so that only theirs need be put in order
), turn AS MATERIALIZED (
    SELECT hint, action_id
      FROM (SELECT id AS hint, *, min(looked_at) OVER (PARTITION BY book) AS book_looked_at
              FROM wakings
             WHERE until <= %(now)s
               AND (book IN (SELECT book FROM books WHERE rules_before < %(limit)s)) IS TRUE
           ) AS awake
     ORDER BY book_looked_at, book, created_at, action_id LIMIT %(limit)s
), due AS MATERIALIZED (
    SELECT a.id FROM actions a
     WHERE a.id = ANY(ARRAY(SELECT action_id FROM turn))
       AND a.processing_lease_until <= %(now)s AND a.status = 'active'
       FOR NO KEY UPDATE OF a SKIP LOCKED
), r AS (
    UPDATE actions a SET processing_lease_until = %(until)s
     WHERE a.id = ANY(ARRAY(SELECT id FROM due))
    RETURNING a.*, a.xmin || ' ' || a.ctid AS version
), taken AS (
    UPDATE wakings SET until = %(until)s
     WHERE id = ANY(ARRAY(
         SELECT hint FROM turn WHERE (action_id IN (SELECT id FROM due)) IS TRUE))
), stray AS (
    DELETE FROM wakings
     WHERE id = ANY(ARRAY(
         SELECT hint FROM turn
          WHERE (action_id IN (SELECT id FROM due)) IS FALSE AND NOT EXISTS (
             SELECT FROM actions a WHERE a.id = action_id AND a.processing_lease_until IS NOT NULL
             OFFSET 0)))
)
SELECT {_COLUMNS} FROM r JOIN accounts_user u ON u.id = r.user_id ORDER BY r.created_at, r.id
"""  # noqa: S608 -- constants

_AWAKE = "SELECT count(*) FROM wakings WHERE until <= %s"

# Whose turn it is, is for one at a time to say: two at once would say the same. Any number will do,
# as long as it is always the same. Nobody waits for the disk: a lease that a crash of the server
# takes back leaves a rule that is awake, and the firing's commit takes the lease to disk with it.
_TAKE_TURNS = """
SELECT pg_advisory_xact_lock(5401886092741), set_config('synchronous_commit', 'off', true)
"""

# Says what is not as it was leased: hardly ever anything, and then there is nothing to read.
_LOCK = """
WITH held AS MATERIALIZED (
    SELECT id, processing_lease_until AS until, xmin || ' ' || ctid AS version FROM actions
     WHERE id = ANY(%(ids)s::uuid[]) ORDER BY id FOR NO KEY UPDATE
)
SELECT leased.id, COALESCE(held.until = leased.until, false)
  FROM unnest(%(ids)s::uuid[], %(untils)s::timestamptz[], %(versions)s::text[])
       AS leased(id, until, version) LEFT JOIN held ON held.id = leased.id
 WHERE held.version IS DISTINCT FROM leased.version
"""

_READ = f"""
SELECT {_COLUMNS}
  FROM (SELECT *, xmin || ' ' || ctid AS version FROM actions WHERE id = ANY(%s::uuid[])) r
  JOIN accounts_user u ON u.id = r.user_id
"""  # noqa: S608 -- constants

# Different parameters of rules whose reading is kept, some 1 kB each: of a few batches, so that an
# evaluator has them all within minutes, and grows no further.
_KINDS_KEPT = 2_000


class Leased(NamedTuple):
    """A rule's row as it was when it was leased, and until when it is ours.

    `until` is the fencing token: whoever would fire the rule must find this very value in its row.
    `version` tells whether anybody has written to the row since. `gate` is the one that refused it
    at its last look, if any.
    """

    id: UUID
    user_id: UUID
    time_zone: str
    portfolio_id: UUID | None
    status: str
    action_type: str
    symbol: str | None
    quantity: Decimal | None
    amount_usd: Decimal | None
    action_params: str
    trigger_type: str
    trigger_params: str
    runtime_state: str
    begun: bool | None
    valid_from: datetime
    valid_until: datetime | None
    max_executions: int | None
    executions_count: int
    cooldown_seconds: int | None
    last_triggered_at: datetime | None
    consecutive_failures: int
    updated_at: datetime
    last_evaluated_at: datetime | None
    faults: int
    gate: str | None
    status_reason: str
    rehearsal: bool
    promoted_at: datetime | None
    until: datetime | None
    waking: str | None
    version: str

    @property
    def woken_at(self) -> datetime:
        return _waking(self.waking or "")[0]

    @property
    def quotes(self) -> Mapping[str, Sample]:
        """The quotes that woke it."""
        return _waking(self.waking or "")[1]

    @property
    def zone(self) -> ZoneInfo:
        """Its owner's."""
        return ZoneInfo(self.time_zone)

    @property
    def state(self) -> State:
        return _json(self.runtime_state)

    @property
    def trigger(self) -> Mapping[str, Any]:
        """The trigger as it is stored."""
        return {"type": self.trigger_type, "params": _json(self.trigger_params)}

    @property
    def has_begun(self) -> bool:
        """Whether its trigger was given the state to start from: one that was made or changed
        before it was valid has none until the first look from then on.

        Of a rule that the version before has written, what was last done to it tells.
        """
        if self.begun or self.state:
            return True
        last = max(self.updated_at, self.last_evaluated_at or self.updated_at)
        return self.begun is None and last >= self.valid_from

    def as_rule(self) -> Rule:
        """The rule as the pure core sees it. Raises InvalidRule when what is stored is not one."""
        return Rule(
            id=self.id,
            symbol=self.symbol,
            trigger=_trigger(self.trigger_type, self.trigger_params),
            effect=_effect(self.action_type, self.quantity, self.amount_usd, self.action_params),
            valid_from=self.valid_from,
            valid_until=self.valid_until,
            status=Status(self.status),
            max_executions=self.max_executions,
            executions_count=self.executions_count,
            cooldown_seconds=self.cooldown_seconds,
            last_triggered_at=self.last_triggered_at,
            consecutive_failures=self.consecutive_failures,
            state=self.state,
            rehearsal=self.rehearsal,
            begun=self.has_begun,
        )

    def sentence(self) -> str:
        """The rule in plain words, or what is wrong with it."""
        try:
            return sentence(self.as_rule(), self.zone)
        except ValueError as invalid:
            return f"This rule cannot be read: {invalid}"


def lease_actions_for_evaluation(
    *, now: datetime, limit: int, lease_seconds: float
) -> list[Leased]:
    """Up to `limit` woken rules, ours until `now` + `lease_seconds`.

    A woken rule carries a lease that has run out: since the instant it was woken, or because the
    evaluator that held it died. Both are taken alike, with the quotes that woke them.
    """
    until = now + timedelta(seconds=lease_seconds)
    with transaction_sent_ahead():
        send(_TAKE_TURNS, [])
        rows = ask(_LEASE, {"now": now, "until": until, "limit": limit})
    return [Leased._make(row) for row in rows()]


def count_awake(*, now: datetime) -> int:
    """How many rules wait to be leased."""
    ((count,),) = run(_AWAKE, [now])
    return int(count)


def lock_leased(*, batch: Collection[Leased]) -> Callable[[], dict[UUID, Leased | None]]:
    """Locks the batch's rules until the caller's transaction ends, in the order of their ids.

    Asks, and gives what is called for the answer (`market.bulk.ask`): those that somebody has
    written to since they were leased, each as it is now, or None where it is ours no more: taken
    over, paused or ended.
    """
    rows = ask(
        _LOCK,
        {
            "ids": uuid_array(leased.id for leased in batch),
            "untils": instant_array(leased.until for leased in batch),
            "versions": text_array(leased.version for leased in batch),
        },
    )

    def changed() -> dict[UUID, Leased | None]:
        still_ours: dict[UUID, bool] = dict(rows())
        written = [id for id, ours in still_ours.items() if ours]
        return {**dict.fromkeys(still_ours), **(read_rows(ids=written) if written else {})}

    return changed


def read_rows(*, ids: Collection[UUID]) -> dict[UUID, Leased]:
    """These rules' rows as they are now, whoever holds them."""
    return {row[0]: Leased._make(row) for row in run(_READ, [uuid_array(ids)])}


@lru_cache(maxsize=512)
def _waking(text: str) -> tuple[datetime, Mapping[str, Sample]]:
    waking = orjson.loads(text)
    quotes = {symbol: _sample(symbol, quote) for symbol, quote in waking["quotes"].items()}
    return datetime.fromisoformat(waking["woken_at"]), quotes


@lru_cache(maxsize=_KINDS_KEPT)
def _json(text: str) -> Mapping[str, Any]:
    parsed: Mapping[str, Any] = orjson.loads(text)
    return parsed


@lru_cache(maxsize=_KINDS_KEPT)
def _trigger(trigger_type: str, params: str) -> Trigger:
    return parse_trigger(trigger_type, orjson.loads(params))


@lru_cache(maxsize=_KINDS_KEPT)
def _effect(
    action_type: str, quantity: Decimal | None, amount_usd: Decimal | None, params: str
) -> Effect:
    sizes = {"quantity": quantity, "amount_usd": amount_usd}
    given = {name: size for name, size in sizes.items() if size is not None}
    return parse_effect(action_type, sizes=given, params=orjson.loads(params))


def _sample(symbol: str, quote: Mapping[str, Any]) -> Sample:
    previous = quote["previous_close"]
    return Sample(
        symbol=symbol,
        price=Decimal(quote["price"]),
        as_of=datetime.fromisoformat(quote["as_of"]),
        volume=quote["volume"],
        previous_close=None if previous is None else Decimal(previous),
        interpolated=quote["interpolated"],
        note=quote["note"],
    )
