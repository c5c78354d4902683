"""The groups that are ready on a new site, and what their members see and may do."""

import os
import subprocess
import sys
from collections.abc import Iterator

import psycopg
import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import Group
from django.db.models import Model
from django.urls import reverse

from tests.postgres import run_cluster
from tests.support import client_of, staff

OURS = [
    model
    for label in ("accounts", "market", "portfolios", "actions", "chat")
    for model in apps.get_app_config(label).get_models()
]
SUPPORT_MAY = {
    "actions.monitor",
    "actions.pause_action",
    "actions.resume_action",
    "portfolios.pause_portfolio",
}
OPERATIONS_MAY = SUPPORT_MAY | {
    "accounts.unlock_user",
    "actions.cancel_action",
    "actions.import_rules",
    "actions.rebuild_watches",
    "actions.retry_delivery",
    "market.believe_move",
    "market.add_announcedsplit",
    "market.add_instrument",
    "market.change_instrument",
}

_PERMISSIONS = """
SELECT g.name, t.app_label || '.' || p.codename
  FROM auth_group g JOIN auth_group_permissions m ON m.group_id = g.id
  JOIN auth_permission p ON p.id = m.permission_id
  JOIN django_content_type t ON t.id = p.content_type_id
"""
_TWICE = """
SELECT count(*) - count(DISTINCT (content_type_id, codename)) + count(*) FILTER (WHERE name = '')
  FROM auth_permission
"""


def may_see(model: type[Model]) -> str:
    return f"{model._meta.app_label}.view_{model._meta.model_name}"


@pytest.fixture
def new_site() -> Iterator[str]:
    """The address of a database that nobody has migrated yet."""
    name = f"new_site_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"
    run_cluster().ensure_running()
    with psycopg.connect(run_cluster().url("postgres"), autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        server.execute(f"CREATE DATABASE {name}")
        yield run_cluster().url(name)
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.slow
def test_they_are_ready_after_the_first_migrate_of_an_empty_database(new_site: str) -> None:
    migrate = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
    environment = os.environ | {"DATABASE_URL": new_site}
    subprocess.run(migrate, cwd=settings.BASE_DIR, env=environment, check=True, timeout=600)
    with psycopg.connect(new_site) as database:
        rows = database.execute(_PERMISSIONS).fetchall()
        (twice,) = database.execute(_TWICE).fetchone() or (None,)
    granted = {name: {may for group, may in rows if group == name} for name, _ in rows}
    seen = {may_see(model) for model in OURS} | {"admin.view_logentry"}
    assert granted == {"support": seen | SUPPORT_MAY, "operations": seen | OPERATIONS_MAY}, (
        "a table that is new takes a migration that lets the staff see it, as the first did"
    )
    assert twice == 0, "Django's own permissions are these"


@pytest.mark.django_db
@pytest.mark.parametrize("group", ["support", "operations"])
def test_their_members_see_every_table_and_change_no_user(group: str) -> None:
    helper = staff(group)
    client = client_of(helper)
    for model in OURS:
        page = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        assert client.get(page).status_code == 200, page
    form = {"username": helper.username, "is_superuser": "on", "is_staff": "on"}
    change = reverse("admin:accounts_user_change", args=[helper.pk])
    assert client.post(change, form).status_code == 403
    password = reverse("admin:auth_user_password_change", args=[helper.pk])
    assert client.post(password, {"password1": "x", "password2": "x"}).status_code == 403
    helper.refresh_from_db()
    assert not helper.is_superuser


@pytest.mark.django_db
def test_they_have_the_permissions_that_they_are_said_to_have() -> None:
    staff("support")
    for name, deeds in (("support", SUPPORT_MAY), ("operations", OPERATIONS_MAY)):
        granted = Group.objects.get(name=name).permissions.select_related("content_type")
        names = {f"{each.content_type.app_label}.{each.codename}" for each in granted}
        assert {each for each in names if ".view_" not in each} == deeds


@pytest.mark.django_db
def test_staff_without_a_group_see_nothing() -> None:
    client = client_of(staff())
    assert client.get(reverse("admin:actions_action_changelist")).status_code == 403
    page = client.get(reverse("admin:index"))
    assert page.status_code == 200
    assert b"Evaluator" not in page.content
