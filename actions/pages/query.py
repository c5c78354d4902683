"""Which rules the list shows, and in which order: all of it stands in the address."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from django.core.paginator import Page, Paginator
from django.db.models import Case, Count, F, Q, QuerySet, When
from django.http import QueryDict

from accounts.models import User
from actions.models import Action
from actions.nearness import ids_of_nearest
from actions.registry import action_types, trigger_types
from actions.rules import Status

A_PAGE = 25
LONGEST_TEXT = 100

_ACTIVE_FIRST = Case(When(status=Status.ACTIVE.value, then=0), default=1)
NEAREST = "nearest"
SORTS: Mapping[str, tuple[str, tuple[Any, ...]]] = {
    "": ("Active, newest first", (_ACTIVE_FIRST, "-created_at", "id")),
    NEAREST: ("Nearest to firing", ()),  # ids_of_nearest
    "triggered": (
        "Last triggered",
        (F("last_triggered_at").desc(nulls_last=True), "-created_at", "id"),
    ),
    "executions": ("Most executions", ("-executions_count", "-created_at", "id")),
    "symbol": ("Symbol", (F("symbol").asc(nulls_last=True), "-created_at", "id")),
    "oldest": ("Oldest first", ("created_at", "id")),
}
KINDS: Mapping[str, str] = {"": "Any kind", "no": "No rehearsals", "yes": "Rehearsals"}


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What is asked for. Empty: anything. What an address says that cannot be is left out."""

    status: str = ""
    symbol: str = ""
    type: str = ""
    text: str = ""
    rehearsal: str = ""
    sort: str = ""

    @classmethod
    def of(cls, asked: QueryDict) -> Self:
        status, kind = asked.get("status", ""), asked.get("type", "")
        sort, rehearsal = asked.get("sort", ""), asked.get("rehearsal", "")
        return cls(
            status=status if status in set(Status) else "",
            symbol=_typed(asked, "symbol").upper(),
            type=kind if kind in action_types() or kind in trigger_types() else "",
            text=_typed(asked, "text"),
            rehearsal=rehearsal if rehearsal in KINDS else "",
            sort=sort if sort in SORTS else "",
        )

    @property
    def narrows(self) -> bool:
        """Whether it leaves rules out."""
        return bool(self.status or self.symbol or self.type or self.text or self.rehearsal)

    def counts(self, user: User) -> dict[str, int]:
        """How many rules there are of each status, of those that are asked for but for theirs."""
        rows = self._any_status(user).order_by().values_list("status").annotate(Count("pk"))
        return dict(rows)

    def rules(self, user: User) -> QuerySet[Action]:
        """All that are asked for, in no order."""
        rules = self._any_status(user)
        return rules.filter(status=self.status) if self.status else rules

    def ids(self, user: User, begin: int, end: int) -> Sequence[UUID]:
        """Of those from one place in the order that is asked for to another; one statement."""
        rules = self.rules(user)
        if self.sort == NEAREST:
            return ids_of_nearest(rules=rules, begin=begin, end=end)
        return list(rules.order_by(*SORTS[self.sort][1]).values_list("id", flat=True)[begin:end])

    def _any_status(self, user: User) -> QuerySet[Action]:
        rules = Action.objects.filter(user=user)
        if self.type:
            rules = rules.filter(Q(action_type=self.type) | Q(trigger_type=self.type))
        if self.symbol:
            rules = rules.filter(
                Q(symbol=self.symbol)
                | Q(trigger_params__symbol=self.symbol)
                | Q(action_params__targets__has_key=self.symbol)
            )
        if self.rehearsal:
            rules = rules.filter(rehearsal=self.rehearsal == "yes")
        for word in self.text.split():
            rules = rules.filter(_has(word))
        return rules


class Pages(Paginator[Action]):
    """The pages of the user's rules that are asked for, of which there are `count`.

    A page takes two statements: which rules are on it, and those rules. Rules are wide, so that to
    put thousands of them in order is slow, and their ids are not.
    """

    def __init__(self, asked: ListQuery, user: User, *, count: int) -> None:
        super().__init__((), A_PAGE)
        self.count = count
        self._asked, self._user = asked, user

    def page(self, number: int | str) -> Page[Action]:
        number = self.validate_number(number)
        ids = self._asked.ids(self._user, (number - 1) * A_PAGE, number * A_PAGE)
        found = Action.objects.select_related("portfolio").in_bulk(ids)
        return Page([found[id] for id in ids if id in found], number, self)


def symbols_of_rules(user: User) -> list[str]:
    """The symbols that the user's rules are of, in order."""
    rows = Action.objects.filter(user=user, symbol__isnull=False).order_by("symbol")
    return [str(symbol) for symbol in rows.values_list("symbol", flat=True).distinct()]


def _has(word: str) -> Q:
    kind = word.replace("-", "_")
    return (
        Q(symbol__icontains=word)
        | Q(notes__icontains=word)
        | Q(action_type__icontains=kind)
        | Q(trigger_type__icontains=kind)
        | Q(trigger_params__icontains=word)
        | Q(action_params__icontains=word)
    )


def _typed(asked: QueryDict, name: str) -> str:
    return asked.get(name, "").replace("\0", "").strip()[:LONGEST_TEXT]
