"""Rules: listed, written, read, edited, ended."""

from http import HTTPStatus
from uuid import UUID

import orjson
from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request

from accounts.models import User
from actions.api.base import RuleView, user_of
from actions.api.executions import Nothing
from actions.api.listing import RuleQuery
from actions.api.shapes import NewRule, Rule, RuleChanges, RuleEdit, Rules, RuleToCreate
from actions.models import Action
from actions.rows import rule_row
from actions.services import cancel_action, create_action, promote_action, update_action
from rest.answers import ready_made
from rest.bodies import read, read_query
from rest.problems import invalid
from rest.schema import described
from rest.scopes import Scope

ETAG = {"ETag": "The rule's version, for If-Match."}
IF_MATCH = {"If-Match": "The ETag that the rule had when it was read."}


class RulesView(RuleView):
    @described("list_actions", scope=Scope.READ, query=RuleQuery, answers=Rules)
    def get(self, request: Request) -> HttpResponse:
        """The user's rules, newest first."""
        asked = read_query(RuleQuery, request)
        rows = asked.listed(user_of(request))
        links = orjson.dumps(asked.links(request, len(rows)))
        return ready_made(b'%b,"results":[%b]}' % (links[:-1], b",".join(rows[: asked.page_size])))

    @described(
        "create_action",
        scope=Scope.RULES,
        body=RuleToCreate,
        answers=Rule,
        status=201,
        answer_headers=ETAG,
    )
    def post(self, request: Request) -> HttpResponse:
        """Stores a rule. It is active from now on, and looked at with the next tick."""
        user = user_of(request)
        draft = read(NewRule, request).draft()
        action = create_action(user=user, draft=draft, now=timezone.now())
        response = as_stored(user, action.pk, status=HTTPStatus.CREATED)
        response["Location"] = request.build_absolute_uri(f"{request.path}/{action.pk}")
        return response


class RuleInDetail(RuleView):
    @described("get_action", scope=Scope.READ, answers=Rule, answer_headers=ETAG, refused=(404,))
    def get(self, request: Request, action_id: UUID) -> HttpResponse:
        """A rule."""
        return as_stored(user_of(request), action_id)

    @described(
        "update_action",
        scope=Scope.RULES,
        body=RuleEdit,
        answers=Rule,
        headers=IF_MATCH,
        answer_headers=ETAG,
        refused=(404, 409, 412),
    )
    def patch(self, request: Request, action_id: UUID) -> HttpResponse:
        """Edits a rule, pauses it, lets it go on or ends it.

        With If-Match nothing is changed that somebody else has changed since it was read. Where
        what the trigger waits for is changed, it starts anew.
        """
        user = user_of(request)
        version = _version(request)
        Action.objects.filter(user=user).only("pk").get(pk=action_id)  # 404 before what is wrong
        changes = read(RuleChanges, request).given()
        update_action(
            user=user, action_id=action_id, changes=changes, now=timezone.now(), version=version
        )
        return as_stored(user, action_id)

    @described(
        "cancel_action", scope=Scope.RULES, answers=Rule, answer_headers=ETAG, refused=(404, 409)
    )
    def delete(self, request: Request, action_id: UUID) -> HttpResponse:
        """Cancels a rule for good; it stays to be seen."""
        user = user_of(request)
        cancel_action(user=user, action_id=action_id, now=timezone.now())
        return as_stored(user, action_id)


class Promotion(RuleView):
    @described(
        "promote_action",
        scope=Scope.RULES,
        body=Nothing,
        answers=Rule,
        headers=IF_MATCH,
        answer_headers=ETAG,
        refused=(404, 409, 412),
    )
    def post(self, request: Request, action_id: UUID) -> HttpResponse:
        """Has a rehearsal trade from now on.

        Its trigger starts anew, and what it did as a rehearsal does not count. A rule that trades
        already stays as it is, so it may be sent twice.
        """
        user = user_of(request)
        version = _version(request)
        Action.objects.filter(user=user).only("pk").get(pk=action_id)  # 404 before what is wrong
        read(Nothing, request)
        promote_action(user=user, action_id=action_id, now=timezone.now(), version=version)
        return as_stored(user, action_id)


def as_stored(user: User, action_id: UUID, status: int = HTTPStatus.OK) -> HttpResponse:
    """The user's rule as it stands. Raises Action.DoesNotExist for another's."""
    row = rule_row(user=user, action_id=action_id)
    response = ready_made(row.json, status=status)
    response["ETag"] = f'"{row.version}"'
    return response


def _version(request: Request) -> str | None:
    """The version that If-Match names; None where any will do."""
    given = request.headers.get("If-Match", "").strip()
    if given in {"", "*"}:
        return None
    if len(given) < 3 or not given.startswith('"') or not given.endswith('"') or "," in given:
        raise invalid({"If-Match": 'Send the one ETag that the rule came with, such as "5d41".'})
    return given.strip('"')
