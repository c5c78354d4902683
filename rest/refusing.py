"""Turns what views raise into problem details."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from rest.problems import MEDIA_TYPE, Problem, not_found
from rest.unavailable import GONE, LOCKED, RETRY_AFTER_SECONDS, is_disturbance

logger = logging.getLogger(__name__)


def answer(exception: Exception, context: Mapping[str, Any]) -> Response | None:
    """The answer to whatever a view raised; None for a fault of ours. (DRF's EXCEPTION_HANDLER.)"""
    problem = _as_problem(exception)
    if problem is None:
        return None
    set_rollback()
    return Response(
        problem.details(),
        status=problem.status.value,
        headers=problem.headers,
        content_type=MEDIA_TYPE,
    )


def _as_problem(exception: Exception) -> Problem | None:
    match exception:
        case Problem():
            return exception
        case Http404() | ObjectDoesNotExist():
            return not_found()
        case PermissionDenied():
            return _of_framework(exceptions.PermissionDenied())
        case exceptions.APIException():
            return _of_framework(exception)
        case OperationalError() | InterfaceError():
            return of_database(exception)
    return None


def of_database(error: OperationalError | InterfaceError) -> Problem:
    """The problem of a request that cannot have a lock, or whose database is gone."""
    code, words = ("busy", LOCKED) if is_disturbance(error) else ("unavailable", GONE)
    logger.warning("503, %s: %s", code, error)
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, code, words, headers=headers)


def _of_framework(exception: exceptions.APIException) -> Problem:
    headers = {}
    if challenge := getattr(exception, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(exception, "wait", None):
        headers["Retry-After"] = str(wait)
    return Problem(
        HTTPStatus(exception.status_code),
        _code(exception),
        _first(exception.detail),
        headers=headers,
    )


def _code(exception: exceptions.APIException) -> str:
    code = exception.get_codes()
    if isinstance(code, dict):
        code = code.get("code")
    return code if isinstance(code, str) else exception.default_code


def _first(detail: Any) -> str:
    """The framework's words, of which it may nest several."""
    if isinstance(detail, dict):
        detail = detail.get("detail") or next(iter(detail.values()), "")
    if isinstance(detail, list):
        detail = detail[0] if detail else ""
    return str(detail)
