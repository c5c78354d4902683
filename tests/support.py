"""Staff for the tests, and what they do in the admin."""

import importlib
import pkgutil
from typing import Any

from django.apps import apps
from django.contrib.auth.models import Group
from django.db.models import Model
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from accounts.models import User
from tests.factories import UserFactory
from tradingrules import migrations


def staff(*groups: str, username: str = "helper") -> User:
    """A member of the staff, in these of the groups that are ready on a new site."""
    _make_groups()
    user: User = UserFactory.create(username=username, is_staff=True)
    user.groups.set(Group.objects.filter(name__in=groups))
    return user


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def intervene(
    client: Client, name: str, *rows: Model, reason: str | None = "You asked us to."
) -> HttpResponse:
    """Asks for an intervention as the page with the reason does; without one, as a list does."""
    options = rows[0]._meta
    path = reverse(f"admin:{options.app_label}_{options.model_name}_changelist")
    form: dict[str, Any] = {"action": name, "_selected_action": [str(row.pk) for row in rows]}
    if reason is not None:
        form["reason"] = reason
    return client.post(path, form)  # type: ignore[return-value]


def change_page(row: Model) -> str:
    options = row._meta
    return reverse(f"admin:{options.app_label}_{options.model_name}_change", args=[row.pk])


def _make_groups() -> None:
    """As the migrations do, whose rows a test with transactions of its own has emptied."""
    names = [module.name for module in pkgutil.iter_modules(migrations.__path__)]
    for name in sorted(name for name in names if name.endswith("groups_of_staff")):
        importlib.import_module(f"{migrations.__name__}.{name}").make_groups(apps, None)
