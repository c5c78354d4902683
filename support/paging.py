"""Lists that count no further than anybody reads."""

from typing import Any

from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

MOST_LISTED = 10_000


class BoundedPaginator(Paginator[Any]):
    """Counts the first MOST_LISTED rows, and pages through no more: to count a table takes as long
    as to read it."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        if isinstance(rows, QuerySet):
            return rows.order_by()[:MOST_LISTED].count()
        return super().count


class BoundedList(ChangeList):
    """Says in its title that there may be more than it lists."""

    def __init__(self, request: HttpRequest, model: type[Model], *more: Any) -> None:
        super().__init__(request, model, *more)
        if self.result_count >= MOST_LISTED:
            self.title = f"{self.title}: the first {MOST_LISTED:,}. Search for the others."
