"""The admin's site: its first page says how the engine is."""

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone

from actions.health import Sign, engine_health
from support.links import list_url


class SupportSite(admin.AdminSite):
    site_header = site_title = "Trading Rules: support"
    index_title = "Support"

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """With the engine's signs of health, for those who may see its ticks."""
        found = {}
        if request.user.has_perm("actions.view_tick"):
            now = timezone.now()
            found = {"as_of": now, "signs": [(s, _url(s)) for s in engine_health(now=now)]}
        return super().index(request, {**found, **(extra_context or {})})

    def password_change(  # type: ignore[override]  # it leads elsewhere
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        """As everybody does: there a wrong password counts towards the lock-out."""
        return redirect("account_change_password")


def _url(sign: Sign) -> str:
    path = list_url(apps.get_model(sign.model))
    return f"{path}?{sign.query}" if sign.query else path
