"""A rule as a page shows it: its sentence, what it waits for, the meter, and what can be done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from actions.lifecycle import BY_PEOPLE, PROMOTED
from actions.meter import Meter, meter
from actions.models import Action
from actions.rules import Status
from actions.selectors import Explanation, explain, symbols_of, why_in_words
from market.quotes import Sample
from market.selectors import latest_quotes


@dataclass(frozen=True, slots=True)
class RuleLine:
    """One rule. `next_look` is the instant at which it is looked at whatever the price does."""

    action: Action
    sentence: str
    state: str
    meter: Meter | None
    next_look: datetime | None
    why: Explanation

    @property
    def may_pause(self) -> bool:
        return Status.PAUSED in self._allowed

    @property
    def may_resume(self) -> bool:
        return Status.ACTIVE in self._allowed

    @property
    def may_cancel(self) -> bool:
        return Status.CANCELLED in self._allowed

    @property
    def may_edit(self) -> bool:
        return bool(self._allowed)

    @property
    def may_execute(self) -> bool:
        return self.action.status == Action.Statuses.ACTIVE

    @property
    def may_promote(self) -> bool:
        return self.action.rehearsal and Status(self.action.status) in PROMOTED

    @property
    def _allowed(self) -> frozenset[Status]:
        return BY_PEOPLE[Status(self.action.status)]


def lines(*, actions: Sequence[Action], zone: ZoneInfo, now: datetime) -> list[RuleLine]:
    """The rules as lines; two queries, however many they are."""
    quotes = latest_quotes(symbols=frozenset().union(*map(symbols_of, actions)))
    return lines_by(quotes, actions=actions, zone=zone, now=now)


def lines_by(
    quotes: Mapping[str, Sample], *, actions: Sequence[Action], zone: ZoneInfo, now: datetime
) -> list[RuleLine]:
    """The rules as lines, by these quotes; one query."""
    why = explain(actions=actions, quotes=quotes, now=now)
    return [_line(action, why[action.pk], zone) for action in actions]


def _line(action: Action, why: Explanation, zone: ZoneInfo) -> RuleLine:
    drawn = meter(band=why.band, distance=why.distance) if why.band and why.distance else None
    return RuleLine(
        action=action,
        sentence=action.sentence(zone),
        state=why_in_words(action, why, zone),
        meter=drawn,
        next_look=why.wakes_at if action.last_evaluation is not None else None,
        why=why,
    )
