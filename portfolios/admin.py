"""Support looks at portfolios here and changes nothing: only services write them."""

import uuid
from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db import connection
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

from portfolios.models import Holding, Portfolio, Split, Transaction, Wish
from portfolios.services import pause_portfolio, unpause_portfolio

COUNTED_UP_TO = 100_000


class EstimatingPaginator(Paginator[Any]):
    """Takes PostgreSQL's estimate for the length of a huge table: counting it takes seconds."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        if isinstance(rows, QuerySet) and not rows.query.where:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass",
                    [rows.model._meta.db_table],
                )
                [estimate] = cursor.fetchone()
            if estimate > COUNTED_UP_TO:
                return int(estimate)
        return super().count


class ReadOnlyAdmin[M: Model](admin.ModelAdmin[M]):
    show_full_result_count = False
    paginator = EstimatingPaginator
    list_per_page = 50
    id_lookups: tuple[str, ...] = ()  # compared with a search term that is a UUID

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[M], search_term: str
    ) -> tuple[QuerySet[M], bool]:
        """An id is found by its index; anything else by `search_fields`."""
        try:
            wanted = uuid.UUID(search_term.strip())
        except ValueError:
            return super().get_search_results(request, queryset, search_term)
        matches = Q.create([(lookup, wanted) for lookup in self.id_lookups], connector=Q.OR)
        return queryset.filter(matches), False


class HoldingInline(admin.TabularInline[Holding, Portfolio]):
    model = Holding
    fields = ("instrument", "quantity", "cost_basis")
    ordering = ("instrument_id",)
    can_delete = False
    extra = 0

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Portfolio)
class PortfolioAdmin(ReadOnlyAdmin[Portfolio]):
    list_display = (
        "name",
        "user",
        "is_primary",
        "cash",
        "transactions_count",
        "paused_by_owner",
        "paused_by_staff",
        "created_at",
    )
    list_filter = ("is_primary", "paused_by_owner", "paused_by_staff")
    actions = ("pause_everything", "let_go_on")
    list_select_related = ("user",)
    ordering = ("user__username", "name")
    search_fields = ("name", "user__username", "user__email", "=holdings__instrument__symbol")
    id_lookups = ("id", "user_id")
    inlines = (HoldingInline,)

    def has_pause_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("portfolios.pause_portfolio")

    @admin.action(description="Pause all rules of these portfolios", permissions=["pause"])
    def pause_everything(self, request: HttpRequest, portfolios: QuerySet[Portfolio]) -> None:
        for portfolio in portfolios:
            pause_portfolio(portfolio_id=portfolio.pk, by_staff=True)
        self.message_user(request, f"{len(portfolios)} portfolios are paused.")

    @admin.action(description="Let the rules of these portfolios go on", permissions=["pause"])
    def let_go_on(self, request: HttpRequest, portfolios: QuerySet[Portfolio]) -> None:
        for portfolio in portfolios:
            unpause_portfolio(portfolio_id=portfolio.pk, by_staff=True)
        self.message_user(request, f"{len(portfolios)} portfolios go on, unless paused by owners.")


@admin.register(Holding)
class HoldingAdmin(ReadOnlyAdmin[Holding]):
    list_display = ("instrument", "portfolio", "owner", "quantity", "cost_basis")
    list_select_related = ("portfolio__user", "instrument")
    ordering = ("instrument_id", "id")
    search_fields = (
        "=instrument__symbol",
        "portfolio__name",
        "portfolio__user__username",
        "portfolio__user__email",
    )
    id_lookups = ("portfolio_id", "portfolio__user_id")

    @admin.display(ordering="portfolio__user__username")
    def owner(self, holding: Holding) -> str:
        return holding.portfolio.user.get_username()


@admin.register(Split)
class SplitAdmin(ReadOnlyAdmin[Split]):
    list_display = ("on", "instrument", "new_shares", "old_shares")
    list_select_related = ("instrument",)
    ordering = ("-on", "instrument_id")
    search_fields = ("=instrument__symbol",)
    id_lookups = ("id",)


@admin.register(Wish)
class WishAdmin(ReadOnlyAdmin[Wish]):
    list_display = ("wanted", "portfolio", "key", "transaction")
    list_select_related = ("portfolio", "transaction")
    ordering = ("-id",)
    search_fields = ("portfolio__name", "=wanted")
    id_lookups = ("key", "portfolio_id", "transaction_id")


@admin.register(Transaction)
class TransactionAdmin(ReadOnlyAdmin[Transaction]):
    list_display = (
        "at",
        "portfolio",
        "owner",
        "sequence",
        "kind",
        "instrument",
        "quantity",
        "price",
        "amount",
        "cash_after",
    )
    list_filter = ("kind",)
    list_select_related = ("portfolio__user", "instrument")
    ordering = ("-at",)
    search_fields = (
        "=instrument__symbol",
        "portfolio__user__username",
        "portfolio__user__email",
    )
    id_lookups = ("id", "portfolio_id", "portfolio__user_id", "reference")

    @admin.display(ordering="portfolio__user__username")
    def owner(self, transaction: Transaction) -> str:
        return transaction.portfolio.user.get_username()
