"""The page of a rule: what it says, why it has not fired, and what it has done."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import F, Func, OuterRef, Subquery
from django.http import Http404
from django.http.response import HttpResponseBase
from django.utils import timezone

from accounts.http import SignedIn, page_or_part
from actions.history import Change, history_of
from actions.limits import Gate
from actions.models import Action, ActionExecution, Notification
from actions.pages.chart import RECENT, Drawing
from actions.pages.lines import RuleLine, lines_by
from actions.pages.timeline import events_of, kinds_told
from actions.selectors import stale_in_words, symbols_of
from actions.sentence import duration, in_zone
from actions.why import GateState
from market.history import quotes_since
from market.services import one_feed

A_PAGE = 20
MOST_TOLD = 20

# What is said of a gate that is open. Shut, it says itself why.
_OPEN = {
    Gate.VALIDITY: "The rule is valid.",
    Gate.STATUS: "The rule is active.",
    Gate.SESSION: "The market is open, or need not be.",
    Gate.COOLDOWN: "No pause after an execution runs.",
    Gate.MAX_EXECUTIONS: "It may be executed still.",
    Gate.PORTFOLIO: "Its portfolio is not paused.",
    Gate.DAY: "The portfolio's limits of the day are not reached.",
}
# Behind a gate it may be true already, or not: there is no level to tell by.
_ASKED_THEN = "Its trigger is asked again once nothing else holds the rule back."


@dataclass(frozen=True, slots=True)
class Check:
    """A line of the checklist (components/checklist.html)."""

    open: bool
    words: str
    more: str = ""
    waits: bool = False


@login_required
@one_feed()
def detail(request: SignedIn, action_id: UUID) -> HttpResponseBase:
    """A rule of the user's; HTMX asks for the part that moves."""
    user, now = request.user, timezone.now()
    own = ActionExecution.objects.filter(action=OuterRef("pk")).order_by()
    count = own.annotate(n=Func(F("pk"), function="count")).values("n")
    mine = Action.objects.filter(user=user, pk=action_id).select_related("portfolio")
    action = mine.annotate(recorded=Subquery(count)).first()
    if action is None:
        raise Http404("There is no such rule.")
    action.user = user  # at hand already
    quotes, past = quotes_since(symbols=symbols_of(action), since=now - RECENT)
    (line,) = lines_by(quotes, actions=[action], zone=user.zone, now=now)
    executions = ActionExecution.objects.filter(action=action).order_by("-sequence")
    pages = Paginator(executions.select_related("transaction"), A_PAGE)
    pages.count = action.recorded  # counted with the rule
    page = pages.get_page(request.GET.get("page"))
    done = list(page.object_list)
    page.object_list = done
    notices = Notification.objects.filter(action=action, kind__in=kinds_told())[:MOST_TOLD]
    changes = history_of(action=action, zone=user.zone)
    drawing = Drawing(
        line=line,
        since=_began(action, changes),
        executions=done,
        quotes=quotes,
        past=past,
        wanted=request.GET.get("chart", "").upper(),
        now=now,
    )
    context = {
        "zone": user.zone,
        "now": now,
        "line": line,
        "action": action,
        "checks": checks_of(line, user.zone),
        "facts": _facts(action, user.zone),
        "page": page,
        "events": events_of(
            changes=changes,
            executions=done,
            told=notices,
        ),
    }
    if request.htmx:
        context["moved"] = drawing.moved()
    else:
        context["chart"] = drawing.chart()
    return page_or_part(request, "actions/detail.html", "live", context)


def checks_of(line: RuleLine, zone: ZoneInfo) -> Sequence[Check]:
    """Why not yet: each gate, then the trigger. Those that hold it back come first, in the order
    in which they are asked."""
    checks = [_gate(gate, zone) for gate in line.why.gates]
    if line.action.status == Action.Statuses.ACTIVE:
        checks.append(_trigger(line, zone))
    return sorted(checks, key=lambda check: check.open)


def _began(action: Action, changes: Sequence[Change]) -> datetime:
    """The instant from which its trigger remembers prices: it forgets them when it fires."""
    begun = next(change.at for change in changes if change.anew)
    known = (begun, action.valid_from, action.last_triggered_at)
    return max(instant for instant in known if instant)


def _gate(gate: GateState, zone: ZoneInfo) -> Check:
    if gate.open:
        return Check(open=True, words=_OPEN[gate.gate])
    until = f"It opens on {in_zone(gate.until, zone)}." if gate.until else ""
    return Check(open=False, words=gate.reason, more=until, waits=gate.until is not None)


def _trigger(line: RuleLine, zone: ZoneInfo) -> Check:
    """What the trigger waits for, by the last look at it."""
    found = line.action.last_evaluation
    if found is None:
        return Check(
            open=False, words="It has not been looked at yet: the next tick does.", waits=True
        )
    if stale := stale_in_words(line.why, zone):
        return Check(open=False, words=stale, waits=True)
    reason = str(found["reason"])
    away = f"{line.meter.words}." if line.meter and line.meter.words != "there" else ""
    if found["finding"] == "blocked" and line.why.blocking is not None:
        words = f"The price: {away}" if away else _ASKED_THEN
        return Check(open=False, words=words, waits=True)
    return Check(open=found["finding"] == "fired", words=reason, more=away)


def _facts(action: Action, zone: ZoneInfo) -> Sequence[tuple[str, str]]:
    """What the sentence leaves out."""
    facts = [("Valid from", in_zone(action.valid_from or action.created_at, zone))]
    if action.promoted_at:
        facts.append(("Trades since", in_zone(action.promoted_at, zone)))
    if action.valid_until:
        facts.append(("Valid until", in_zone(action.valid_until, zone)))
    if action.cooldown_seconds:
        facts.append(("Pause after firing", duration(action.cooldown_seconds)))
    if action.portfolio:
        facts.append(("Portfolio", action.portfolio.name))
    if message := action.action_params.get("message"):
        facts.append(("Message", str(message)))
    if action.notes:
        facts.append(("Notes", action.notes))
    return facts
