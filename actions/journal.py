"""The log of all that a user's rules did: filtered, a page at a time, and as CSV."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Q, QuerySet

from accounts.models import User
from actions.bulk.cells import neutral
from actions.models import Action, ActionExecution, ActionHistory
from portfolios.models import Portfolio
from portfolios.money import format_price, format_quantity

COLUMNS = (
    "time",
    "status",
    "action_type",
    "symbol",
    "done",
    "trades",
    "reason",
    "rule",
    "portfolio",
    "action_id",
    "rehearsal",
)
_BUFFERED = 500  # rows a chunk of the file


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which executions: of a status, of rules on a symbol or of a type, in a portfolio, of
    rehearsals or of none, and triggered from `since` on and before `until`."""

    status: str = ""
    symbol: str = ""
    action_type: str = ""
    portfolio: Portfolio | None = None
    rehearsal: bool | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the log, between executions: beside this one of its instant."""

    at: datetime
    id: UUID

    def __str__(self) -> str:
        return f"{self.at.isoformat()}_{self.id}"

    @classmethod
    def read(cls, text: str) -> "Place":
        """Raises ValueError for what `str` did not write."""
        at, _, id = text.partition("_")
        place = cls(datetime.fromisoformat(at), UUID(id))
        if place.at.utcoffset() is None:
            raise ValueError("The instant has no zone.")
        return place


@dataclass(frozen=True, slots=True)
class LogPage:
    """Executions, newest first. `newer` and `older` are where the pages beside this one begin."""

    executions: Sequence[ActionExecution] = field(default_factory=list)
    newer: Place | None = None
    older: Place | None = None


def log_of(*, user: User, wanted: Wanted) -> QuerySet[ActionExecution]:
    """What the user's rules did, newest first, with each one's rule and portfolio."""
    found = ActionExecution.objects.filter(action__user=user).filter(_conditions(wanted))
    if wanted.symbol:
        found = found.filter(action__in=_may_have_traded(user, wanted.symbol))
    return found.select_related("action", "action__portfolio", "transaction__portfolio").order_by(
        "-triggered_at", "-id"
    )


def log_page(
    *,
    user: User,
    wanted: Wanted,
    size: int,
    before: Place | None = None,
    after: Place | None = None,
) -> LogPage:
    """A page of the log: the newest, those `before` a place, or those `after` it; one statement.

    A page begins at a place, not at a number: the last of 100,000 costs what the first does, and
    an execution that comes meanwhile moves nothing.
    """
    log = log_of(user=user, wanted=wanted)
    if after is not None:
        rows = list(_beyond(log, after, newer=True).order_by("triggered_at", "id")[: size + 1])
        more, shown = len(rows) > size, rows[:size][::-1]
        return _page(shown, newer=more, older=True)
    if before is not None:
        log = _beyond(log, before, newer=False)
    rows = list(log[: size + 1])
    return _page(rows[:size], newer=before is not None, older=len(rows) > size)


def portfolio_of(execution: ActionExecution) -> Portfolio | None:
    """The portfolio in which it traded, or would have."""
    line = execution.transaction
    return line.portfolio if line is not None else execution.action.portfolio


def log_as_csv(executions: Iterable[ActionExecution], zone: ZoneInfo) -> Iterator[str]:
    """The lines of a CSV file, a chunk at a time. Times are in `zone`, with their offset."""
    lines: list[str] = []
    writer = csv.writer(_Lines(lines))
    writer.writerow(COLUMNS)
    for execution in executions:
        writer.writerow(neutral(cell) for cell in _cells(execution, zone))
        if len(lines) >= _BUFFERED:
            yield "".join(lines)
            lines.clear()
    yield "".join(lines)


def traded(details: dict[str, Any]) -> list[str]:
    """The trades of an execution's details: "sell 10 AAPL at $133.86"."""
    return [
        f"{trade['side']} {format_quantity(abs(Decimal(trade['quantity'])))} {trade['symbol']} "
        f"at {format_price(Decimal(trade['price']))}"
        for trade in details.get("trades", ())
    ]


class _Lines:
    """A file for csv.writer that keeps what is written in a list."""

    def __init__(self, lines: list[str]) -> None:
        self.write = lines.append


def _conditions(wanted: Wanted) -> Q:
    conditions = Q()
    if wanted.status:
        conditions &= Q(execution_status=wanted.status)
    if wanted.symbol:
        on_symbol = [{"symbol": wanted.symbol}]
        conditions &= (
            Q(action__symbol=wanted.symbol)
            | Q(details__trades__contains=on_symbol)
            | Q(details__would_trade__contains=on_symbol)
        )
    if wanted.action_type:
        conditions &= Q(action__action_type=wanted.action_type)
    if wanted.portfolio:
        traded_in = Q(transaction__portfolio=wanted.portfolio)
        meant = Q(transaction__isnull=True, action__portfolio=wanted.portfolio)
        conditions &= traded_in | meant
    if wanted.rehearsal is not None:
        conditions &= Q(rehearsal=wanted.rehearsal)
    if wanted.since:
        conditions &= Q(triggered_at__gte=wanted.since)
    if wanted.until:
        conditions &= Q(triggered_at__lt=wanted.until)
    return conditions


def _may_have_traded(user: User, symbol: str) -> QuerySet[Any]:
    """The ids of the rules that are or were on the symbol, or have none and choose what they trade.

    Found first, they are few: or else the details of all that the user's rules did would be read.
    """
    rules = Action.objects.filter(user=user)
    earlier = ActionHistory.objects.filter(pgh_obj__user=user)
    on_symbol = Q(symbol=symbol) | Q(symbol__isnull=True)
    return (
        rules.filter(on_symbol)
        .order_by()
        .values("id")
        .union(earlier.filter(on_symbol).order_by().values("pgh_obj_id"))
    )


def _beyond(
    log: QuerySet[ActionExecution], place: Place, *, newer: bool
) -> QuerySet[ActionExecution]:
    """Those on one side of a place. The instant alone is what an index can be asked for."""
    at, id = place.at, place.id
    if newer:
        same_or_newer = log.filter(triggered_at__gte=at)
        return same_or_newer.filter(Q(triggered_at__gt=at) | Q(id__gt=id))
    return log.filter(triggered_at__lte=at).filter(Q(triggered_at__lt=at) | Q(id__lt=id))


def _page(shown: Sequence[ActionExecution], *, newer: bool, older: bool) -> LogPage:
    if not shown:
        return LogPage()
    first, last = shown[0], shown[-1]
    return LogPage(
        shown,
        newer=Place(first.triggered_at, first.pk) if newer else None,
        older=Place(last.triggered_at, last.pk) if older else None,
    )


def _cells(execution: ActionExecution, zone: ZoneInfo) -> list[str]:
    details = execution.details
    portfolio = portfolio_of(execution)
    return [
        execution.triggered_at.astimezone(zone).isoformat(timespec="seconds"),
        execution.execution_status,
        execution.action.action_type,
        execution.action.symbol or "",
        str(details.get("summary", "")),
        "; ".join(traded(details)),
        str(details.get("reason", "")),
        str(details.get("rule", "")),
        portfolio.name if portfolio else "",
        str(execution.action_id),
        "yes" if execution.rehearsal else "no",
    ]
