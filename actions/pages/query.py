"""Which rules the list shows, and in which order: all of it stands in the address."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from django.core.paginator import Paginator
from django.db.models import Case, Count, F, Q, QuerySet, When
from django.db.models.expressions import RawSQL
from django.http import QueryDict

from accounts.models import User
from actions.models import Action
from actions.registry import action_types, trigger_types
from actions.rules import Status

A_PAGE = 25
LONGEST_TEXT = 100

# The way to the nearest level that wakes the rule, as a part of the price.
_NEAREST = RawSQL(
    """(SELECT min(least(abs(w.below - q.price), abs(w.above - q.price),
                         abs(CASE w.turning
                             WHEN 'falls_percent' THEN m.price * (1 - w.turn_by / 100)
                             WHEN 'falls_usd' THEN m.price - w.turn_by
                             WHEN 'rises_percent' THEN m.price * (1 + w.turn_by / 100)
                             WHEN 'rises_usd' THEN m.price + w.turn_by END - q.price))
                   / q.price)
          FROM watches w JOIN market_quote q ON q.symbol = w.symbol
          LEFT JOIN LATERAL (SELECT mark.price FROM water_marks mark
                              WHERE mark.symbol = w.symbol AND mark.turning = w.turning
                                AND mark.id <= w.water_mark
                              ORDER BY mark.id DESC LIMIT 1) m ON true
         WHERE w.action_id = actions.id)""",
    [],
)

_ACTIVE_FIRST = Case(When(status=Status.ACTIVE.value, then=0), default=1)
SORTS: Mapping[str, tuple[str, tuple[Any, ...]]] = {
    "": ("Active, newest first", (_ACTIVE_FIRST, "-created_at", "id")),
    "nearest": ("Nearest to firing", (F("away").asc(nulls_last=True), "-created_at", "id")),
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
        rules = self._any_status(user).select_related("portfolio")
        if self.status:
            rules = rules.filter(status=self.status)
        if self.sort == "nearest":
            rules = rules.annotate(away=_NEAREST)
        return rules.order_by(*SORTS[self.sort][1])

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


class Counted(Paginator[Action]):
    """Pages of a list whose length is known already."""

    def __init__(self, rules: QuerySet[Action], *, count: int) -> None:
        super().__init__(rules, A_PAGE)
        self.count = count


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
