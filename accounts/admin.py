"""People: whoever may change them may make anybody staff, so no group of support may."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.lockout import locked_until, unlock
from accounts.models import ApiToken, User
from support.interventions import Intervening, Mandate, Refused, intervention
from support.links import link
from support.readonly import QuickAdmin
from support.search import Places


@admin.register(User)
class UserAdmin(Intervening[User], DjangoUserAdmin[User]):
    list_display = ("username", "email", "time_zone", "is_active", "is_staff", "date_joined")
    list_filter = ("is_staff", "groups")
    places = Places(ids=("pk",), people=("pk",))
    search_help_text = "An id or how it begins, or how the name or the e-mail begins."
    readonly_fields = ("id", "last_login", "date_joined", "lock_out")
    actions = ("unlock",)
    fieldsets = (
        *(DjangoUserAdmin.fieldsets or ()),
        ("Trading Rules", {"fields": ("id", "time_zone", "lock_out")}),
    )

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False  # the ledger names them: who leaves is made inactive

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Who may not change a user sees nothing of the password."""
        if obj is None or self.has_change_permission(request, obj):
            return super().get_fieldsets(request, obj)
        shown = ("username", "email", "first_name", "last_name", "time_zone")
        state = ("id", "is_active", "is_staff", "groups", "last_login", "date_joined", "lock_out")
        return ((None, {"fields": (*shown, *state)}),)

    @admin.display(description="lock-out")
    def lock_out(self, user: User) -> str:
        until = locked_until(user=user, now=timezone.now())
        return f"Until {until:%Y-%m-%d %H:%M:%S} UTC, if nobody tries before." if until else "None."

    @intervention(
        "Unlock",
        permission="accounts.unlock_user",
        effect="Failed attempts to sign in to these accounts are forgotten: who was locked out, on "
        "the pages or by the API, may try again at once. So may whoever was guessing the password.",
    )
    def unlock(self, user: User, mandate: Mandate) -> None:
        if not unlock(user=user):
            raise Refused("nobody has failed to sign in to it of late.")


@admin.register(ApiToken)
class ApiTokenAdmin(QuickAdmin[ApiToken]):
    """Support sees which programs act for somebody, and ends them; only the owner makes one."""

    list_display = ("name", "owner", "scope", "ending", "created_at", "expires_at", "last_used_at")
    list_filter = ("scope",)
    list_select_related = ("user",)
    places = Places(ids=("user",), people=("user",))
    search_help_text = "The owner's id, or how the owner's name or e-mail begins."
    exclude = ("digest",)

    @admin.display(description="owner")
    def owner(self, token: ApiToken) -> SafeString | str:
        return link(token.user)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return False
