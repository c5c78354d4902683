"""Support looks at portfolios here and changes nothing: only services write them."""

from django.contrib import admin
from django.utils.safestring import SafeString

from portfolios.models import Holding, Portfolio, PortfolioPause, Split, Transaction, Wish
from portfolios.services import pause_portfolio, unpause_portfolio
from support.interventions import InterveningAdmin, Mandate, intervention
from support.links import link, list_link
from support.readonly import ReadOnlyAdmin, ReadOnlyInline
from support.search import Places

SEARCHES = "An id or how it begins, how the owner's name or e-mail begins, or a symbol."


class HoldingInline(ReadOnlyInline[Holding, Portfolio]):
    model = Holding
    fields = ("instrument", "quantity", "cost_basis")
    ordering = ("instrument_id",)


@admin.register(Portfolio)
class PortfolioAdmin(InterveningAdmin[Portfolio]):
    list_display = (
        "name",
        "owner",
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
    places = Places(ids=("pk", "user"), people=("user",), symbols=("holdings__instrument",))
    search_help_text = SEARCHES
    readonly_fields = ("ledger",)
    inlines = (HoldingInline,)

    @admin.display(description="owner")
    def owner(self, portfolio: Portfolio) -> SafeString | str:
        return link(portfolio.user)

    @admin.display(description="ledger")
    def ledger(self, portfolio: Portfolio) -> SafeString:
        return list_link(Transaction, "Its transactions", q=str(portfolio.pk))

    def named(self, row: Portfolio) -> str:
        return f"{row.name}, of {row.user}."

    @intervention(
        "Pause all rules",
        permission="portfolios.pause_portfolio",
        effect="No rule of these portfolios fires until support lets them go on; each keeps "
        "following its market.",
    )
    def pause_everything(self, portfolio: Portfolio, mandate: Mandate) -> None:
        pause_portfolio(portfolio_id=portfolio.pk, by_staff=True)

    @intervention(
        "Let the rules go on",
        permission="portfolios.pause_portfolio",
        effect="The rules of these portfolios may fire again, unless their owner has paused them.",
    )
    def let_go_on(self, portfolio: Portfolio, mandate: Mandate) -> None:
        unpause_portfolio(portfolio_id=portfolio.pk, by_staff=True)


@admin.register(PortfolioPause)
class PortfolioPauseAdmin(ReadOnlyAdmin[PortfolioPause]):
    """When which switch of a portfolio was turned."""

    list_display = ("pgh_created_at", "pgh_obj", "owner", "paused_by_owner", "paused_by_staff")
    list_filter = ("paused_by_staff",)
    list_select_related = ("pgh_obj__user",)
    ordering = ("-pgh_id",)
    places = Places(ids=("pgh_obj", "pgh_obj__user"), people=("pgh_obj__user",))
    search_help_text = "An id or how it begins, or how the owner's name or e-mail begins."

    @admin.display(description="owner")
    def owner(self, pause: PortfolioPause) -> SafeString | str:
        return link(pause.pgh_obj.user)


@admin.register(Holding)
class HoldingAdmin(ReadOnlyAdmin[Holding]):
    list_display = ("instrument", "portfolio", "owner", "quantity", "cost_basis")
    list_select_related = ("portfolio__user", "instrument")
    ordering = ("instrument_id", "id")
    places = Places(
        ids=("portfolio", "portfolio__user"),
        people=("portfolio__user",),
        symbols=("instrument",),
    )
    search_help_text = SEARCHES

    @admin.display(description="owner")
    def owner(self, holding: Holding) -> SafeString | str:
        return link(holding.portfolio.user)


@admin.register(Split)
class SplitAdmin(ReadOnlyAdmin[Split]):
    list_display = ("on", "instrument", "new_shares", "old_shares")
    list_select_related = ("instrument",)
    ordering = ("-on", "instrument_id")
    places = Places(ids=("pk",), symbols=("instrument",))
    search_help_text = "An id or how it begins, or a symbol."


@admin.register(Wish)
class WishAdmin(ReadOnlyAdmin[Wish]):
    list_display = ("wanted", "portfolio", "key", "transaction")
    list_select_related = ("portfolio", "transaction")
    ordering = ("-id",)
    places = Places(
        ids=("portfolio", "transaction", "portfolio__user"), people=("portfolio__user",)
    )
    search_help_text = "An id or how it begins, or how the owner's name or e-mail begins."


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
    places = Places(
        ids=("pk", "portfolio", "portfolio__user", "reference"),
        people=("portfolio__user",),
        symbols=("instrument",),
    )
    search_help_text = f"Also the id of an execution. {SEARCHES}"

    @admin.display(description="owner")
    def owner(self, transaction: Transaction) -> SafeString | str:
        return link(transaction.portfolio.user)
