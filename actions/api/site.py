"""How the whole site is doing, for staff."""

from datetime import datetime
from typing import Any

from django.utils import timezone
from pydantic import BaseModel, Field
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from actions.api.base import RuleView, user_of
from actions.api.status import ErrorOut
from actions.rules import Status
from actions.site_status import SiteStatus, may_monitor, site_status
from rest.schema import described
from rest.scopes import Scope


class LeaderOut(BaseModel):
    """The session that evaluates. `address` is null on the database's own machine."""

    pid: int
    program: str
    address: str | None
    since: datetime | None
    silent_seconds: float | None


class EvaluatorOut(BaseModel):
    """`lag_seconds` is how late the next tick is. `pauses` are the spans of the last 24 hours in
    which no tick ran."""

    active: bool
    leader: LeaderOut | None
    market_open: bool
    interval_seconds: float
    last_tick_at: datetime | None
    last_tick_seconds: float | None
    lag_seconds: float | None
    pauses: int
    paused_seconds: float


class RulesOut(BaseModel):
    """`counts` are as of `counted_at`; what woke and fired a minute is of the last five."""

    counts: dict[Status, int]
    counted_at: datetime | None
    awake: int
    woken_a_minute: float
    fired_a_minute: float


class QuotesOut(BaseModel):
    """The symbols that are followed, and those without a price that rules see."""

    symbols: int
    stale: int
    newest_at: datetime | None


class CreditsOut(BaseModel):
    """What the feed may still be asked for; `paced` is what a tick may spend now."""

    this_minute: int
    today: int | None = Field(description="Null: the plan has no limit a day.")
    paced: int


class IncidentOut(BaseModel):
    """Something that is wrong with the feed, or with a symbol."""

    symbol: str | None
    verdict: str
    reason: str
    since: datetime
    times: int


class FeedOut(BaseModel):
    provider: str
    credits: CreditsOut | None
    blocked_until: datetime | None
    blocked_because: str
    incidents: list[IncidentOut]


class OutboxOut(BaseModel):
    """Messages that are not dispatched, and e-mails and calls that are not sent yet."""

    undispatched: int
    unsent: int
    failing: int
    oldest_at: datetime | None


class QueueOut(BaseModel):
    """The jobs of the cluster. Without any of its sessions no cluster runs."""

    waiting: int
    oldest_at: datetime | None
    at_work: int
    cluster_sessions: int


class TroubleOut(BaseModel):
    """What has been wrong for longer than a moment; `is_told`: operators have been told."""

    kind: str
    since: datetime
    words: str
    is_told: bool


class SiteOut(BaseModel):
    """How the whole site is doing."""

    at: datetime
    evaluator: EvaluatorOut
    rules: RulesOut
    quotes: QuotesOut
    feed: FeedOut
    outbox: OutboxOut
    queue: QueueOut
    errors: list[ErrorOut]
    troubles: list[TroubleOut]


class SiteMonitoring(RuleView):
    @described("get_site_status", scope=Scope.READ, answers=SiteOut)
    def get(self, request: Request) -> Response:
        """How the whole site is doing, for staff who may monitor it."""
        if not may_monitor(user_of(request)):
            raise PermissionDenied
        return Response(_told(site_status(now=timezone.now())))


def _told(site: SiteStatus) -> dict[str, Any]:
    feed = site.feed
    return {
        "at": site.at,
        "evaluator": site.evaluator,
        "rules": site.rules,
        "quotes": site.quotes,
        "feed": {
            "provider": feed.provider,
            "credits": feed.credits,
            "blocked_until": feed.blocked_until,
            "blocked_because": feed.blocked_because,
            "incidents": feed.wrong,
        },
        "outbox": site.outbox,
        "queue": site.queue,
        "errors": site.errors,
        "troubles": [
            {"kind": one.kind, "since": one.bad_since, "words": one.words, "is_told": one.is_told}
            for one in site.troubles
        ],
    }
