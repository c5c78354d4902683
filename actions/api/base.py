"""What the views of rules share."""

from http import HTTPStatus
from typing import Any

from rest_framework.request import Request

from accounts.models import User
from actions.backtesting.runs import BacktestEnded, TooManyBacktests
from actions.execute_now import GateRefused, InvalidKey, KeyReused
from actions.lifecycle import TransitionRefused
from actions.parts import InvalidRule
from actions.services import EditRefused, RuleChanged
from rest.problems import Problem, invalid
from rest.views import ApiView, Refusals


def _conflict(code: str) -> Any:
    return lambda error: Problem(HTTPStatus.CONFLICT, code, str(error))


def _gate(error: GateRefused) -> Problem:
    words = str(error)
    return Problem(HTTPStatus.CONFLICT, "gate_shut", words, errors={str(error.gate): words})


REFUSALS: Refusals = {
    InvalidRule: lambda wrong: invalid(wrong.errors),
    InvalidKey: lambda wrong: invalid({"Idempotency-Key": str(wrong)}),
    TransitionRefused: _conflict("transition_refused"),
    EditRefused: _conflict("rule_has_ended"),
    KeyReused: _conflict("key_reused"),
    TooManyBacktests: _conflict("too_many_backtests"),
    BacktestEnded: _conflict("backtest_has_ended"),
    GateRefused: _gate,
    RuleChanged: lambda error: Problem(HTTPStatus.PRECONDITION_FAILED, "changed", str(error)),
}


class RuleView(ApiView):
    """A view of the user's rules."""

    refusals = REFUSALS


def user_of(request: Request) -> User:
    assert isinstance(request.user, User)  # noqa: S101 -- IsAuthenticated has turned others away
    return request.user
