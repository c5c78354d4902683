"""What the API says of itself: whether it is there, its schema, its pages of reference."""

import logging
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from typing import Any

from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path, re_path
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from pydantic import BaseModel
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from rest.answers import as_json, ready_made
from rest.problems import Problem
from rest.schema import described
from rest.views import ApiView, nothing_here
from tradingrules.migrated import unapplied
from tradingrules.reference import operations

logger = logging.getLogger(__name__)


class Health(BaseModel):
    status: str


class Open(ApiView):
    """Answers whoever asks."""

    authentication_classes = ()
    permission_classes = (AllowAny,)


class Live(Open):
    throttle_classes = ()

    @described("get_health", answers=Health, auth=[])
    def get(self, request: Request) -> Response:
        """Whether this process answers. Asks nobody else."""
        return Response({"status": "ok"})


class Ready(Open):
    @described("get_readiness", answers=Health, refused=(503,), auth=[])
    def get(self, request: Request) -> Response:
        """Whether it can work: the database answers, and all migrations have been applied."""
        try:
            if unapplied():
                raise _not_ready("Migrations have not been applied. Run manage.py migrate.")
        except OperationalError as error:
            logger.warning("The database does not answer: %s", error)
            raise _not_ready("The database does not answer.") from None
        return Response({"status": "ok"})


class Schema(Open):
    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        """The schema, as OpenAPI 3.1."""
        return ready_made(_schema_as_json())


def reference(request: HttpRequest) -> HttpResponse:
    """The schema as a page: written by the server, since no script from elsewhere may run here."""
    described = schema()
    return render(
        request, "api/reference.html", {"groups": operations(described), "info": described["info"]}
    )


@cache  # it takes a second, and is the same as long as the process lives
def schema() -> Mapping[str, Any]:
    """The schema, as OpenAPI 3.1."""
    described: Mapping[str, Any] = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]
    return described


@cache
def _schema_as_json() -> bytes:
    return as_json(schema())


def _not_ready(words: str) -> Problem:
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "not_ready", words)


urlpatterns = [
    path("health", Live.as_view()),
    path("ready", Ready.as_view()),
    path("schema", Schema.as_view(), name="api-schema"),
    path("docs", reference, name="api-docs"),
    re_path(r"^(?P<path>(?s:.*))\Z", nothing_here),  # a line feed in it included
]
