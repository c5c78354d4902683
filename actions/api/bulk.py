"""Rules by the thousand: files of them, out and in."""

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import IO, Any, Literal
from uuid import UUID

from django.http import HttpResponse, StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from pydantic import BaseModel, Field
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from actions.api.base import RuleView, user_of
from actions.api.listing import RuleFilter
from actions.bulk.imports import (
    ImportRefused,
    cancel_import,
    confirm_import,
    open_import,
    owned_import,
    whole_report,
)
from actions.bulk.reading import LARGEST_FILE
from actions.bulk.sending import go_on
from actions.bulk.writing import MEDIA_TYPES, written
from actions.models import RuleImport
from actions.selectors import rules_like
from rest.answers import Json
from rest.bodies import Query, read_query
from rest.problems import Problem, invalid
from rest.schema import described
from rest.scopes import Scope

States = RuleImport.States
_States: Any = Literal[tuple(States.values)]
_AT_WORK = (States.CHECKING, States.APPLYING)
_PLAIN_TYPES = [media_type.partition(";")[0] for media_type in MEDIA_TYPES.values()]
_FILES = dict.fromkeys(_PLAIN_TYPES, OpenApiTypes.ANY)


class FaultOut(BaseModel):
    line: int
    column: str = Field(description="Empty: the line as a whole.")
    message: str = Field(description="What is wrong, and the remedy.")


class LineOut(BaseModel):
    """What a line would do, or did."""

    line: int
    external_id: str
    description: str = Field(description="The rule as it is to be. Empty where it cannot be.")
    outcome: Literal["new", "changed", "error"]
    changes: list[str] = Field(description="The settings that become different.")
    errors: list[FaultOut]


class ImportOut(BaseModel):
    """An import. `lines` are the first of its report, without those that change nothing."""

    id: UUID
    state: _States
    note: str
    size: int = Field(description="Of the file, in bytes.")
    rules: int | None = Field(description="How many lines were looked at.")
    progress: int = Field(description="Lines looked at in this step, while it is at work.")
    counts: dict[str, int] = Field(description="Lines by outcome: new, changed, ...")
    lines: list[LineOut]
    created_at: datetime
    updated_at: datetime


class ImportQuery(Query):
    """Whether it is to be applied."""

    dry_run: bool = Field(True, description="false: applied, unless anything is wrong.")


class ExportQuery(RuleFilter):
    """Which rules, and as what."""

    format: Literal["csv", "json", "jsonl"] = "csv"


class _File(BaseParser):
    """The body as it is."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        body: bytes = stream.read(LARGEST_FILE + 1)
        if len(body) > LARGEST_FILE:
            words = f"The file is larger than {LARGEST_FILE // 1024**2} MB. Split it."
            raise Problem(HTTPStatus.CONTENT_TOO_LARGE, "too_large", words)
        return body


# One for each media type, so that another is a 415; and who asks for one gets it, or a problem.
PARSERS = [type("File", (_File,), {"media_type": media_type}) for media_type in _PLAIN_TYPES]
RENDERERS = [
    Json,
    *(type("AsAsked", (Json,), {"media_type": media_type}) for media_type in _PLAIN_TYPES),
]


def _conflict(refused: ImportRefused) -> Problem:
    return Problem(HTTPStatus.CONFLICT, "import_refused", str(refused))


class ImportsView(RuleView):
    """A view of the user's imports."""

    refusals = {**RuleView.refusals, ImportRefused: _conflict}


class Export(RuleView):
    renderer_classes = RENDERERS

    @described("export_actions", scope=Scope.READ, query=ExportQuery, answers=_FILES)
    def get(self, request: Request) -> StreamingHttpResponse:
        """The user's rules as a file, oldest first, which `import` reads again."""
        asked = read_query(ExportQuery, request)
        user = user_of(request)
        rules = rules_like(user=user, wanted=asked.wanted)
        return StreamingHttpResponse(
            written(rules, form=asked.format, zone=user.zone),
            content_type=MEDIA_TYPES[asked.format],
            headers={"Content-Disposition": f'attachment; filename="rules.{asked.format}"'},
        )


class Import(ImportsView):
    parser_classes = PARSERS

    @described(
        "import_actions",
        scope=Scope.RULES,
        body=_FILES,
        query=ImportQuery,
        answers=ImportOut,
        or_else=202,
    )
    def post(self, request: Request) -> Response:
        """Reads a file of rules: CSV, a JSON list, or JSON lines, whatever it is said to be.

        With `dry_run`, says what it would do; `apply` then does just that. A large file is 202, and
        looked at by and by. All of it is done or nothing; the same file again changes nothing.
        """
        asked = read_query(ImportQuery, request)
        body: Any = request.data
        content = body if isinstance(body, bytes) else b""  # no body is no bytes
        now = timezone.now()
        held = open_import(
            user=user_of(request), content=content, now=now, at_once=not asked.dry_run
        )
        held = go_on(held, now)
        if held.state == States.REFUSED and not asked.dry_run:
            raise invalid(_errors(held))
        return _answer(held)


class ImportInDetail(ImportsView):
    @described("get_import", scope=Scope.READ, answers=ImportOut, refused=(404,))
    def get(self, request: Request, import_id: UUID) -> Response:
        """How far an import is, and what it found."""
        return Response(told(owned_import(user=user_of(request), import_id=import_id)))

    @described("cancel_import", scope=Scope.RULES, answers=ImportOut, refused=(404, 409))
    def delete(self, request: Request, import_id: UUID) -> Response:
        """Cancels an import that has not been done: nothing of it is."""
        user = user_of(request)
        cancel_import(user=user, import_id=import_id, now=timezone.now())
        return Response(told(owned_import(user=user, import_id=import_id)))


class ApplyImport(ImportsView):
    @described(
        "apply_import", scope=Scope.RULES, answers=ImportOut, or_else=202, refused=(404, 409)
    )
    def post(self, request: Request, import_id: UUID) -> Response:
        """Does what the report of a dry run says, once. Where rules have changed since, so that it
        would do something else, it does nothing and has a new report."""
        user, now = user_of(request), timezone.now()
        first = confirm_import(user=user, import_id=import_id, now=now)
        held = owned_import(user=user, import_id=import_id)
        return _answer(go_on(held, now) if first else held)


class ImportReport(ImportsView):
    renderer_classes = RENDERERS

    @described(
        "get_import_report",
        scope=Scope.READ,
        answers={"text/csv": OpenApiTypes.STR},
        refused=(404,),
    )
    def get(self, request: Request, import_id: UUID) -> HttpResponse:
        """The whole report, a line for each line of the file."""
        pieces = whole_report(user=user_of(request), import_id=import_id)
        return HttpResponse(b"".join(pieces), content_type=MEDIA_TYPES["csv"])


def _answer(held: RuleImport) -> Response:
    at_work = held.state in _AT_WORK
    return Response(told(held), status=HTTPStatus.ACCEPTED if at_work else HTTPStatus.OK)


def told(held: RuleImport) -> dict[str, Any]:
    copied = ("id", "state", "note", "size", "rules", "progress", "counts")
    return {
        **{name: getattr(held, name) for name in copied},
        "lines": held.shown,
        "created_at": held.created_at,
        "updated_at": held.updated_at,
    }


def _errors(held: RuleImport) -> dict[str, str]:
    """What is wrong, by line and column."""
    return {
        f"line {error['line']}" + (f", {error['column']}" if error["column"] else ""): error[
            "message"
        ]
        for line in held.shown
        for error in line["errors"]
    }
