"""What rules did, and doing it now."""

from datetime import datetime
from http import HTTPStatus
from typing import Any, Literal
from uuid import UUID, uuid4

from django.db.models import QuerySet
from django.utils import timezone
from pydantic import BaseModel, Field
from rest_framework.request import Request
from rest_framework.response import Response

from actions.api.base import RuleView, user_of
from actions.execute_now import execute_now
from actions.models import ActionExecution
from actions.selectors import executions_of, owned_action
from rest.bodies import Body, read, read_query
from rest.paging import Page, Paged
from rest.schema import described
from rest.scopes import Scope

KEY = "Idempotency-Key"


class Nothing(Body):
    """An empty object."""


class ExecutionQuery(Paged):
    """Which executions: those of rehearsals, those that were none, or all."""

    rehearsal: bool | None = None

    def of(self, executions: QuerySet[ActionExecution]) -> list[ActionExecution]:
        """The page's rows, and one more where there is a next page."""
        if self.rehearsal is not None:
            executions = executions.filter(rehearsal=self.rehearsal)
        return list(executions[self.rows])


class ExecutionOut(BaseModel):
    """One firing. `details` is what was known then: the rule, the quotes, the trades, the cash;
    of a rehearsal `would_trade`, the trades that it would have made."""

    id: UUID
    action_id: UUID
    sequence: int
    triggered_at: datetime
    execution_status: Literal["success", "failed"]
    rehearsal: bool = Field(description="Nothing was traded.")
    summary: str = Field(description="What was done, in words.")
    details: dict[str, Any]
    transaction_id: UUID | None = Field(description="The first transaction that it made.")
    error: str | None


class Executions(Page):
    results: list[ExecutionOut]


class ExecutionsView(RuleView):
    @described("list_executions", scope=Scope.READ, query=ExecutionQuery, answers=Executions)
    def get(self, request: Request) -> Response:
        """What the user's rules did, newest first."""
        page = read_query(ExecutionQuery, request)
        found = page.of(executions_of(user=user_of(request)))
        return Response(page.answer(request, [told(each) for each in found]))


class ExecutionsOfRule(RuleView):
    @described(
        "list_executions_of_action",
        scope=Scope.READ,
        query=ExecutionQuery,
        answers=Executions,
        refused=(404,),
    )
    def get(self, request: Request, action_id: UUID) -> Response:
        """What a rule did, newest first."""
        page = read_query(ExecutionQuery, request)
        action = owned_action(user=user_of(request), action_id=action_id)
        found = page.of(executions_of(user=user_of(request)).filter(action=action))
        return Response(page.answer(request, [told(each) for each in found]))


class ExecuteNow(RuleView):
    @described(
        "execute_action_now",
        scope=Scope.TRADE,
        body=Nothing,
        answers=ExecutionOut,
        headers={KEY: "Of your choice. Sent again, it gives the first answer back."},
        refused=(404, 409),
    )
    def post(self, request: Request, action_id: UUID) -> Response:
        """Executes a rule at the price of now, whatever its trigger and its cooldown say.

        Nothing else is passed by: a gate that is shut is a 409 that names it. An execution that the
        portfolio refuses is recorded, and answered, as failed. Without a key each call is a new
        wish.
        """
        user = user_of(request)
        owned_action(user=user, action_id=action_id)  # 404 before what is wrong with the body
        read(Nothing, request)
        key = request.headers.get(KEY)
        execution = execute_now(
            user=user,
            action_id=action_id,
            key=str(uuid4()) if key is None else key,
            now=timezone.now(),
        )
        return Response(told(execution), status=HTTPStatus.OK)


def told(execution: ActionExecution) -> dict[str, Any]:
    return {
        "id": execution.pk,
        "action_id": execution.action_id,
        "sequence": execution.sequence,
        "triggered_at": execution.triggered_at,
        "execution_status": execution.execution_status,
        "rehearsal": execution.rehearsal,
        "summary": str(execution.details.get("summary", "")),
        "details": execution.details,
        "transaction_id": execution.transaction_id,
        "error": execution.error,
    }
