"""When a rule was watched, and why not when it was not."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone
from pydantic import BaseModel, Field
from rest_framework.request import Request
from rest_framework.response import Response

from actions.api.base import RuleView, user_of
from actions.coverage import Kind, Span, watched_share
from actions.proof import LONGEST_BACK, Missed, Proof, proof_of_watch
from actions.selectors import owned_action
from rest.bodies import Instant, Query, read_query
from rest.problems import invalid
from rest.schema import described
from rest.scopes import Scope

_BY_DEFAULT = timedelta(days=7)


class CoverageQuery(Query):
    since: Instant | None = Field(
        None, description="From when on; a week before `until` by default, at most 400 days back."
    )
    until: Instant | None = Field(
        None, description="Up to when; now by default, and at the latest."
    )

    def interval(self, now: datetime) -> tuple[datetime, datetime]:
        """What was asked for. Raises Problem, naming the parameter that is wrong."""
        until = self.until or now
        if until > now:
            raise invalid({"until": "This has not come yet. Leave it out for now."})
        earliest = now - LONGEST_BACK
        kept = f"What was watched is kept for {LONGEST_BACK.days} days."
        if until < earliest:
            raise invalid({"until": kept})
        since = self.since or until - _BY_DEFAULT
        if since >= until:
            raise invalid({"since": "This must be before `until`."})
        if since < earliest:
            raise invalid({"since": kept})
        return since, until


class MissedOut(BaseModel):
    """What is known of a gap afterwards. `reached` is null where it cannot be told."""

    reached: bool | None
    words: str


class SpanOut(BaseModel):
    """From `begin` up to, and without, `end`.

    `off`: the rule was not active. `closed`: the market was. `held`: it was watched, and did not
    fire, since its portfolio was paused. In the other kinds but `watched` it should have been
    watched: no tick ran, the feed refused or failed, the quote was stale.
    """

    begin: datetime
    end: datetime
    kind: Kind
    reason: str
    missed: MissedOut | None = Field(description="Of a gap: whether the threshold was reached.")


class Coverage(BaseModel):
    """The spans follow one another from `since` to `until`, without a gap and without an overlap.

    `watched_share` is the part, from 0 to 1, of the time that the rule should have been watched in
    which it was, held back or not; null where there was no such time.
    """

    action_id: UUID
    since: datetime
    until: datetime
    watched_share: float | None
    spans: list[SpanOut]


class CoverageOfRule(RuleView):
    @described(
        "get_coverage", scope=Scope.READ, query=CoverageQuery, answers=Coverage, refused=(404,)
    )
    def get(self, request: Request, action_id: UUID) -> Response:
        """When a rule was watched, and why not when it was not. Nothing is fired for what was
        missed."""
        action = owned_action(user=user_of(request), action_id=action_id)
        since, until = read_query(CoverageQuery, request).interval(timezone.now())
        proof = proof_of_watch(action=action, since=since, until=until)
        return Response(
            {
                "action_id": action.pk,
                "since": since,
                "until": until,
                "watched_share": watched_share(proof.spans),
                "spans": [_told(span, proof) for span in proof.spans],
            }
        )


def _told(span: Span, proof: Proof) -> dict[str, Any]:
    missed: Missed | None = proof.missed.get(span.begin)
    return {
        "begin": span.begin,
        "end": span.end,
        "kind": span.kind,
        "reason": span.reason,
        "missed": missed and {"reached": missed.reached, "words": missed.words},
    }
