"""What is typed into a search, as look-ups that an index answers, whatever it is.

Each kind of look-up is a query of its own, and what they find is put together: one query with OR
between columns of several tables would read all rows of one of them.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db.models import Model, Q, QuerySet

MOST_PEOPLE = 100  # whose rows are looked for, of those whose name or e-mail begins so
_BEGINNING_OF_ID = re.compile(r"[0-9a-f]{4,32}")
_SYMBOL = re.compile(r"[A-Z0-9.\-]{1,20}")


@dataclass(frozen=True, slots=True)
class Places:
    """Where a kind of row is looked for, as paths of fields: `ids` by an id or how it begins,
    `people` by whose name or e-mail begins so, `symbols` by a symbol."""

    ids: Sequence[str] = ()
    people: Sequence[str] = ()
    symbols: Sequence[str] = ()


class Term:
    """What was typed, read as each of the things that it may be."""

    def __init__(self, typed: str) -> None:
        self._typed = typed.strip().replace("\0", "")

    @property
    def ids(self) -> tuple[UUID, UUID] | None:
        """The least and the greatest id that begins so; None where no id does."""
        digits = self._typed.lower().replace("-", "")
        if not _BEGINNING_OF_ID.fullmatch(digits):
            return None
        return UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))

    @property
    def symbol(self) -> str | None:
        upper = self._typed.upper()
        return upper if _SYMBOL.fullmatch(upper) else None

    @cached_property
    def people(self) -> Collection[UUID]:
        """The users whose name or e-mail begins so; one query."""
        begins = Q(email__istartswith=self._typed) | Q(username__istartswith=self._typed)
        users = get_user_model()._default_manager.filter(begins)
        return list(users.values_list("pk", flat=True)[:MOST_PEOPLE])


def found[M: Model](rows: QuerySet[M], places: Places, typed: str) -> QuerySet[M]:
    """Those of `rows` that what was typed may mean; none where it means nothing."""
    first, *others = [
        rows.model._base_manager.filter(condition).values("pk")
        for condition in (Q(pk__in=()), *_conditions(places, Term(typed)))
    ]
    return rows.filter(pk__in=first.union(*others))


def _conditions(places: Places, term: Term) -> Iterator[Q]:
    if span := term.ids:
        for path in places.ids:
            yield Q((f"{path}__gte", span[0]), (f"{path}__lte", span[1]))
    if symbol := term.symbol:
        for path in places.symbols:
            yield Q((path, symbol))
    for path in places.people:
        yield Q((f"{path}__in", term.people))
