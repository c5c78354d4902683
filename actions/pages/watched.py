"""When a rule was watched: a strip of time, and each gap in words."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib.auth.decorators import login_required
from django.http import Http404
from django.http.response import HttpResponseBase
from django.utils import timezone

from accounts.http import SignedIn, page_or_part
from actions.coverage import Kind, Span, watched_share
from actions.models import Action
from actions.proof import Proof, proof_of_watch
from actions.selectors import owned_action
from actions.sentence import in_zone
from actions.words import span as length_words
from market.services import one_feed

PERIODS = {1: "a day", 7: "a week", 30: "30 days", 365: "a year"}
BY_DEFAULT = 7
MOST_TOLD = 20
_LEAST_PERIOD = timedelta(minutes=1)  # of a rule that has just been made
_LEAST_WIDTH = 0.4  # percent of the strip: no gap is too short to be seen

_LABELS = {
    Kind.OFF: "Rule not active",
    Kind.CLOSED: "Market closed",
    Kind.NO_TICK: "No evaluator",
    Kind.REFUSED: "Feed failed",
    Kind.STALE: "Price too old",
    Kind.HELD: "Held back",
    Kind.WATCHED: "Watched",
}


@dataclass(frozen=True, slots=True)
class Block:
    """A span on the strip: where it begins and how wide it is, in percent of the width."""

    x: float
    width: float
    look: str


@dataclass(frozen=True, slots=True)
class Told:
    """A span in words. `ends` is None while it lasts."""

    label: str
    is_gap: bool
    begin: datetime
    end: datetime | None
    length: str
    words: str


@login_required
@one_feed()
def watched(request: SignedIn, action_id: UUID) -> HttpResponseBase:
    """A period up to now, or since the rule was made; HTMX asks for the part that stands on the
    rule's page."""
    user, now = request.user, timezone.now()
    try:
        action = owned_action(user=user, action_id=action_id)
    except Action.DoesNotExist:
        raise Http404("There is no such rule.") from None
    action.user = user  # at hand already
    days = _days(request.GET.get("days", ""))
    # To the minute, so that a part in which nothing has changed is the same as before.
    until = now.replace(second=0, microsecond=0)
    since = max(until - timedelta(days=days), min(action.created_at, until - _LEAST_PERIOD))
    proof = proof_of_watch(action=action, since=since, until=until)
    context = {
        "zone": user.zone,
        "now": now,
        "action": action,
        "sentence": action.sentence(user.zone),
        "periods": PERIODS,
        "days": days,
        "since": since,
        "until": until,
        "blocks": blocks(proof.spans),
        "legend": _legend(proof.spans),
        "summary": summary(proof.spans),
        **_told(proof, until),
        "label": label(proof.spans, user.zone),
    }
    return page_or_part(request, "actions/watched.html", "watched", context)


def blocks(spans: Sequence[Span]) -> Sequence[Block]:
    """The spans on the strip, gaps last: widened so that they are seen, they lie on top."""
    begin, whole = spans[0].begin, spans[-1].end - spans[0].begin
    found = []
    for span in sorted(spans, key=lambda span: span.kind.is_gap):
        least = _LEAST_WIDTH if span.kind.is_gap else 0.0
        width = max(100 * (span.length / whole), least)
        x = min(100 * ((span.begin - begin) / whole), 100 - width)
        found.append(Block(round(x, 2), round(width, 2), _look(span.kind)))
    return found


def summary(spans: Sequence[Span]) -> str:
    """How much of the time that it should have been watched it was, in a sentence."""
    share = watched_share(spans)
    if share is None:
        return "There was nothing to watch in this time."
    held = _length(span for span in spans if span.kind is Kind.HELD)
    words = f" For {length_words(held)} of it its portfolio was paused." if held else ""
    lost = _length(span for span in spans if span.kind.is_gap)
    if not lost:
        return f"It was watched all the time that it was active and the market open.{words}"
    percent = min(100 * share, 99.9)  # not all of it, however short the gap
    return (
        f"It was watched {percent:.1f} % of the time that it was active and the market open; "
        f"for {length_words(lost)} nobody watched.{words}"
    )


def label(spans: Sequence[Span], zone: ZoneInfo) -> str:
    """The strip for those who do not see it; the table below tells of each gap."""
    begin, end = (in_zone(at, zone) for at in (spans[0].begin, spans[-1].end))
    return f"From {begin} to {end}. {summary(spans)}"


def _length(spans: Iterable[Span]) -> timedelta:
    return sum((span.length for span in spans), timedelta(0))


def _days(given: str) -> int:
    return next((days for days in PERIODS if str(days) == given), BY_DEFAULT)


def _told(proof: Proof, until: datetime) -> dict[str, object]:
    """The gaps, and the times in which the rule was off or held back, newest first."""
    telling = [one for one in proof.spans if one.kind.is_gap or one.kind in (Kind.OFF, Kind.HELD)]
    lines = [_line(span, proof, until) for span in reversed(telling[-MOST_TOLD:])]
    return {
        "told": lines,
        "more": max(0, len(telling) - MOST_TOLD),
        "missed": any(span.kind.is_gap for span in telling),
    }


def _line(span: Span, proof: Proof, until: datetime) -> Told:
    missed = proof.missed.get(span.begin)
    return Told(
        label=_LABELS[span.kind],
        is_gap=span.kind.is_gap,
        begin=span.begin,
        end=None if span.end == until else span.end,
        length=length_words(span.length),
        words=f"{span.reason} {missed.words}" if missed else span.reason,
    )


def _legend(spans: Iterable[Span]) -> Sequence[tuple[str, str]]:
    """What the looks mean that are there."""
    there = {span.kind for span in spans}
    return [(_look(kind), _LABELS[kind]) for kind in reversed(Kind) if kind in there]


def _look(kind: Kind) -> str:
    return kind.value.replace("_", "-")
