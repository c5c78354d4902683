"""Pages of a list: `page`, from 1, of `page_size` rows.

There is no total: to count ten thousand rows costs more than to read fifty. `next` says whether
there are more.
"""

from typing import Any
from urllib.parse import urlencode

from pydantic import BaseModel, Field
from rest_framework.request import Request

from rest.bodies import Query

PAGE_SIZE = 50
LARGEST_PAGE = 200
LAST_PAGE = 100_000


class Paged(Query):
    """Which part of a list is asked for."""

    page: int = Field(1, ge=1, le=LAST_PAGE, description="From 1.")
    page_size: int = Field(PAGE_SIZE, ge=1, le=LARGEST_PAGE, description="Rows a page.")

    @property
    def rows(self) -> slice:
        """The rows of the page and one more, which says that there is a next one."""
        first = (self.page - 1) * self.page_size
        return slice(first, first + self.page_size + 1)

    def links(self, request: Request, found: int) -> dict[str, str | None]:
        """The addresses of the pages beside this one, where `found` of `rows` were there."""
        return {
            "next": self._link(request, self.page + 1) if found > self.page_size else None,
            "previous": self._link(request, self.page - 1) if self.page > 1 else None,
        }

    def answer(self, request: Request, rows: list[Any]) -> dict[str, Any]:
        """The page as it is sent. `rows` are those of `rows`."""
        return {**self.links(request, len(rows)), "results": rows[: self.page_size]}

    @staticmethod
    def _link(request: Request, page: int) -> str:
        parameters = request.query_params.dict() | {"page": str(page)}
        return request.build_absolute_uri(f"{request.path}?{urlencode(parameters)}")


class Page(BaseModel):
    """A page of a list. `next` and `previous` are null at its ends."""

    next: str | None
    previous: str | None
