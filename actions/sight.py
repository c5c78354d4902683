"""What a batch of rules may look at, fetched for all of them at once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from actions.rules import NO_NEEDS, Rule, View
from market.history import recent_samples
from market.hours import TradingCalendar
from market.quotes import Bar, Sample
from market.services import ProviderError, calendar, completed_sessions
from portfolios.ledger import Snapshot
from portfolios.selectors import snapshots


class Seen(Protocol):
    """A rule's row, and the quotes that it is looked at by: one that is leased, for one."""

    @property
    def portfolio_id(self) -> UUID | None: ...
    @property
    def woken_at(self) -> datetime: ...
    @property
    def quotes(self) -> Mapping[str, Sample]: ...


@dataclass(frozen=True, slots=True)
class Standing:
    """What there is to see of a rule that nobody woke."""

    portfolio_id: UUID | None
    woken_at: datetime
    quotes: Mapping[str, Sample]


class Sight:
    """The views of a batch: its queries do not grow with the number of rules.

    `error` is why the sessions that triggers need could not be had, where they could not: those
    triggers then see none.
    """

    def __init__(
        self, batch: Iterable[tuple[Seen, Rule]], *, now: datetime, max_age: timedelta
    ) -> None:
        batch = list(batch)
        self._now = now
        self._max_age = max_age
        self._calendar: TradingCalendar = calendar()
        self.error: str | None = None
        self._bars = self._completed([rule for _, rule in batch])
        self._recent = _recent(batch)
        self._portfolios = _portfolios(batch)

    def view(self, seen: Seen, rule: Rule) -> View:
        """What `rule` sees: the quotes that woke it, and what its trigger needs beside them."""
        needs = rule.trigger.needs(rule)
        plain = View(self._now, seen.woken_at, self._calendar, self._max_age, seen.quotes)
        if needs == NO_NEEDS:
            return plain
        charted = rule.trigger.charted(rule)
        portfolio_id = seen.portfolio_id
        return plain._replace(
            bars={
                symbol: self._bars.get(symbol, ())[-needs.sessions :]
                for symbol in charted
                if needs.sessions
            },
            recent={symbol: self._recent.get(symbol, ()) for symbol in charted if needs.span},
            portfolio=self._portfolios.get(portfolio_id) if portfolio_id else None,
        )

    def _completed(self, rules: list[Rule]) -> Mapping[str, tuple[Bar, ...]]:
        sessions = 0
        symbols: set[str] = set()
        for rule in rules:
            needs = rule.trigger.needs(rule)
            if needs.sessions:
                sessions = max(sessions, needs.sessions)
                symbols |= rule.trigger.charted(rule)
        if not symbols:
            return {}
        try:
            return completed_sessions(symbols=symbols, now=self._now, sessions=sessions)
        except ProviderError as error:
            self.error = f"No past sessions: {error}"
            return {}


def _recent(batch: Sequence[tuple[Seen, Rule]]) -> Mapping[str, Sequence[Sample]]:
    """What was seen since the earliest instant that any of the rules looks back to, counted from
    when it was woken. Others see more than they asked for, which changes nothing."""
    symbols: set[str] = set()
    begins = []
    for seen, rule in batch:
        if span := rule.trigger.needs(rule).span:
            begins.append(seen.woken_at - span)
            symbols |= rule.trigger.charted(rule)
    return recent_samples(symbols=symbols, since=min(begins)) if begins else {}


def _portfolios(batch: Sequence[tuple[Seen, Rule]]) -> Mapping[UUID, Snapshot]:
    ids = {
        seen.portfolio_id
        for seen, rule in batch
        if seen.portfolio_id and rule.trigger.needs(rule).portfolio
    }
    return snapshots(portfolio_ids=ids) if ids else {}
