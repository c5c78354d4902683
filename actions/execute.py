"""Fires rules: a batch in one transaction, in which all of it happens or nothing.

Lock the rules and their portfolios, check that each lease is still ours and that the gates still
hold, trade in memory in the order of the lease, then write what came of it, a statement a table,
and commit. Locks are always taken in this order, so that no two evaluators wait for each other:
rules by id, portfolios by id, the quotes' alert levels by symbol.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import batched
from typing import NamedTuple
from uuid import UUID

from django.db import InterfaceError, OperationalError

from actions.booking import Booked, Firing, book, check_paused
from actions.judge import Finding, begin, hold_back, judge
from actions.lease import Leased, lock_leased
from actions.limits import Gate, first_refusal
from actions.notify.outbox import Notice, tell
from actions.receipts import held_message
from actions.recording import last_sequences, write_executions, write_rules
from actions.rules import Desk, Wake
from actions.settle import Look
from actions.trading import HeldBack
from actions.watches import set_watches
from market.bulk import transaction_sent_ahead
from market.quotes import Sample
from market.selectors import ask_latest_quotes, latest_quotes
from portfolios.selectors import ask_paused_primaries
from portfolios.services import (
    Locked,
    LockedPortfolio,
    ask_locked,
    locked,
    primary_portfolios,
    write,
)
from rest.unavailable import is_disturbance

logger = logging.getLogger(__name__)

MOST_ATTEMPTS = 4  # of a batch that PostgreSQL rolled back for another transaction's sake
FEW = 8  # firings, whose statements PostgreSQL reads and plans longer than it runs them
BOOKED_AT_ONCE = 125  # firings: PostgreSQL writes them while we work out the next


@dataclass(slots=True)
class Fired:
    """What came of firings: how many were executed or refused, the looks that are left to be
    settled because nothing was done, and the rules that failed through our own fault."""

    executions: int = 0
    looks: list[Look] = field(default_factory=list)
    faults: list[tuple[Leased, Exception]] = field(default_factory=list)

    def add(self, other: "Fired") -> None:
        self.executions += other.executions
        self.looks += other.looks
        self.faults += other.faults


class _Standing(NamedTuple):
    """What firings are booked by: the portfolios, by the rule's own name for each (its id, or its
    user's where it trades and names none), the quotes, and why the primary portfolio is paused that
    a rule which only tells and names none belongs to, by its user."""

    portfolios: Mapping[UUID, LockedPortfolio]
    quotes: Mapping[str, Sample]
    paused: Mapping[UUID, str]


def commit_firings(*, firings: Sequence[Firing], lease: timedelta) -> Fired:
    """Fires these rules, which their verdicts found true, one after the other as they are given.

    Nothing is done for a rule whose lease was lost, nor, and there is a look to be settled, for one
    whose gate has shut meanwhile or whose waking quote is older than two leases. A batch that fails
    as a whole is halved until only those rules are left out that are at fault. Raises
    OperationalError or InterfaceError when the database is gone.
    """
    in_time = [firing for firing in firings if not _too_late(firing, lease)]
    fired = Fired(looks=[_missed(firing) for firing in firings if _too_late(firing, lease)])
    if in_time:
        fired.add(_all_or_halves(in_time))
    return fired


def _all_or_halves(firings: Sequence[Firing]) -> Fired:
    try:
        return _until_undisturbed(firings)
    except (OperationalError, InterfaceError):
        raise  # the database is gone, and with it our locks and our leases
    except Exception as error:  # one bad rule never stops another
        if len(firings) == 1:
            return Fired(faults=[(firings[0].leased, error)])
        logger.warning("a batch of %d firings failed and is halved: %r", len(firings), error)
    half = len(firings) // 2
    fired = _all_or_halves(firings[:half])
    fired.add(_all_or_halves(firings[half:]))
    return fired


def _until_undisturbed(firings: Sequence[Firing]) -> Fired:
    """Tries again what PostgreSQL rolled back because another transaction was in its way."""
    for attempt in range(1, MOST_ATTEMPTS + 1):
        try:
            return _commit(firings)
        except OperationalError as error:
            if not is_disturbance(error):
                raise
            logger.warning("attempt %d at %d firings: %s", attempt, len(firings), error)
            disturbance = error
    return Fired(faults=[(firing.leased, disturbance) for firing in firings])


def _commit(firings: Sequence[Firing]) -> Fired:
    with transaction_sent_ahead(prepared=len(firings) <= FEW):
        fired, booked = _fire(firings)
    _log("a rule fired", "success", [each for each in booked if not each.execution.error])
    refused = [each for each in booked if each.execution.error]
    _log("a rule fired and was refused", "refused", refused)
    return fired


def _log(words: str, outcome: str, booked: Sequence[Booked]) -> None:
    """A line for each of these firings, written all at once."""
    if not booked:
        return
    each = [
        {
            "action_id": one.execution.action_id,
            "execution_id": one.execution.id,
            "user_id": one.firing.leased.user_id,
        }
        for one in booked
    ]
    logger.info(words, extra={"outcome": outcome, "each": each})


def _fire(firings: Sequence[Firing]) -> tuple[Fired, list[Booked]]:
    now = firings[0].view.now
    ours, shut, standing = _lock(firings)
    sequences = last_sequences(leased=[firing.leased for firing in ours])
    fired = Fired(looks=shut)
    wakes: dict[UUID, tuple[frozenset[str], Wake]] = {}
    done: list[Booked] = []
    for some in batched(ours, BOOKED_AT_ONCE, strict=False):
        booked, held, faults = _book(some, standing, sequences)
        write_executions(executions=[each.execution for each in booked], at=now)
        write_rules(booked=booked, now=now)
        tell(notices=[each.notice for each in booked] + _spent_days(held), now=now)
        wakes |= {each.firing.leased.id: (each.after.symbols, each.wake) for each in booked}
        fired.add(Fired(len(booked), held, faults))
        done += booked
    write(locked=standing.portfolios.values(), at=now)
    # Of a rule that has ended nothing is left to wait for. The engine widens the levels of a whole
    # batch at once, so that batches beside each other do not queue for a symbol's row.
    set_watches(wakes=wakes)
    return fired, done


def _lock(firings: Sequence[Firing]) -> tuple[list[Firing], list[Look], _Standing]:
    """Locks the rules and the portfolios, and reads the quotes, all asked for at once: by what is
    known of the rules. What that did not bring, since a rule is another now, is asked for again.

    The firings that are still ours and may be; the looks at those that may no longer; and what the
    firings are booked by.
    """
    rules = lock_leased(batch=[firing.leased for firing in firings])
    portfolios = ask_locked(portfolio_ids=_named(firings))
    asked = _symbols(firings)
    quotes = ask_latest_quotes(symbols=asked)
    tellers = _nameless(firings, trade=False)
    paused = ask_paused_primaries(user_ids=tellers) if tellers else dict
    ours, shut = _still_true(firings, rules())
    books, prices = portfolios(), quotes()
    if _named(ours) - books.keys() or _nameless(ours, trade=True):
        books |= _lock_others(ours, books)
    if (wanted := _symbols(ours)) - asked:
        prices = latest_quotes(symbols=wanted)
    return ours, shut, _Standing(books, prices, paused())


def _still_true(
    firings: Sequence[Firing], changed: Mapping[UUID, Leased | None]
) -> tuple[list[Firing], list[Look]]:
    """Those that are ours and may fire; the looks at those that may no longer.

    The gates are asked again of a row that somebody has written to since it was leased; of any
    other they would say what they said.
    """
    if not changed:
        return list(firings), []
    ours, shut = [], []
    for firing in firings:
        leased = changed.get(firing.leased.id, firing.leased)
        if leased is None:
            continue  # somebody else has it now, or it was paused: the firing is theirs to judge
        if leased is not firing.leased:
            rule = begin(leased.as_rule(), firing.view)
            if first_refusal(rule, firing.view):
                shut.append(Look(leased, judge(rule, firing.view), rule.symbols))
                continue
            firing = firing._replace(leased=leased, rule=rule)
        ours.append(firing)
    return ours, shut


def _lock_others(firings: Sequence[Firing], books: Mapping[UUID, LockedPortfolio]) -> Locked:
    """The portfolios of these rules that are not among the books."""
    nameless = _nameless(firings, trade=True)
    primaries = primary_portfolios(user_ids=nameless) if nameless else {}
    found = {**books, **locked(portfolio_ids=(_named(firings) | {*primaries.values()}) - {*books})}
    return found | {user_id: found[id] for user_id, id in primaries.items()}


def _named(firings: Sequence[Firing]) -> set[UUID]:
    return {each.leased.portfolio_id for each in firings if each.leased.portfolio_id}


def _nameless(firings: Sequence[Firing], *, trade: bool) -> set[UUID]:
    """The owners of those rules that name no portfolio, and `trade` or only tell."""
    leased = [each.leased for each in firings if each.rule.effect.trades is trade]
    return {each.user_id for each in leased if not each.portfolio_id}


def _book(
    firings: Sequence[Firing], standing: _Standing, sequences: Mapping[UUID, int]
) -> tuple[list[Booked], list[Look], list[tuple[Leased, Exception]]]:
    """What the firings lead to, in their order; the looks at those whose portfolio holds them back;
    those at fault. One rule's fault leaves the others alone."""
    booked, held, faults = [], [], []
    quotes = standing.quotes
    for firing in firings:
        leased, rule = firing.leased, firing.rule
        mine = standing.portfolios.get(leased.portfolio_id or leased.user_id)
        portfolio = mine if rule.effect.trades else None
        wanted = rule.effect.symbols(rule)
        desk = Desk(
            now=firing.view.now,
            quotes={symbol: quotes[symbol] for symbol in wanted if symbol in quotes},
            portfolio=portfolio.snapshot if portfolio else None,
        )
        sequence = sequences.get(leased.id, 0) + 1
        try:
            check_paused(mine.paused if mine else standing.paused.get(leased.user_id, ""))
            booked.append(book(firing, desk=desk, portfolio=portfolio, sequence=sequence))
        except HeldBack as back:
            held.append(Look(leased, hold_back(rule, firing.view, back.refused), rule.symbols))
        except Exception as error:  # one bad rule never stops another
            faults.append((leased, error))
    return booked, held, faults


def _spent_days(held: Sequence[Look]) -> list[Notice]:
    """What owners are told of rules that wait for the next day: once, not with every look."""
    return [
        Notice(look.leased.user_id, look.leased.id, held_message(look.leased, look.verdict))
        for look in held
        if look.verdict.gate == Gate.DAY and look.leased.gate != Gate.DAY
    ]


def _symbols(firings: Sequence[Firing]) -> set[str]:
    return {symbol for each in firings for symbol in each.rule.effect.symbols(each.rule)}


def _too_late(firing: Firing, lease: timedelta) -> bool:
    return firing.view.now - firing.view.woken_at > 2 * lease


def _missed(firing: Firing) -> Look:
    missed = firing.verdict._replace(finding=Finding.MISSED)
    return Look(firing.leased, missed, firing.rule.symbols)
