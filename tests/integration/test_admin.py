"""Every table can be looked at by support, and what must not be edited cannot be."""

from datetime import datetime
from decimal import Decimal
from uuid import uuid4

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from accounts.models import User
from actions.engine import run_tick
from actions.models import Action, ActionExecution, Notification, RuleImport
from actions.services import Draft, create_action
from market.models import Quote
from portfolios.models import Transaction
from portfolios.services import deposit, primary_portfolio
from tests.conftest import Feed
from tests.factories import PASSWORD, UserFactory
from tests.support import change_page, client_of, staff

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments")]

OURS = [
    model
    for label in ("accounts", "market", "portfolios", "actions", "chat")
    for model in apps.get_app_config(label).get_models()
]


@pytest.fixture
def fired(feed: Feed, now: datetime) -> Action:
    """A rule that has fired, and one that still waits."""
    owner = UserFactory.create(username="ada", email="ada@example.org")
    deposit(portfolio=primary_portfolio(user=owner), amount=Decimal(1_000), at=now)
    actions = [
        create_action(
            user=owner,
            draft=Draft(
                action_type="BUY",
                symbol="AAPL",
                quantity=Decimal(1),
                trigger_type="price_below",
                trigger_params={"threshold": threshold},
            ),
            now=now,
        )
        for threshold in ("150", "100")
    ]
    feed.says("AAPL", "140", now)
    assert run_tick(now=now).fired == 1
    return actions[0]


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_every_table_is_listed_and_searched(
    model: type[Model], admin_client: Client, fired: Action
) -> None:
    assert admin.site.is_registered(model)
    page = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    for query in ("", "?q=ada", f"?q={fired.pk}"):
        answer = admin_client.get(page + query, follow=True)
        assert answer.status_code == 200, page + query
        assert "e=1" not in str(answer.redirect_chain), "the search was refused"


def test_a_rule_shows_its_sentence_and_its_watches(admin_client: Client, fired: Action) -> None:
    waiting = Action.objects.exclude(pk=fired.pk).get()
    listed = admin_client.get(reverse("admin:actions_action_changelist"))
    assert b"Buy 1 AAPL when the price is at or below $150.00, once." in listed.content
    page = admin_client.get(reverse("admin:actions_action_change", args=[waiting.pk]))
    assert b"100.000000" in page.content


# What only the engine, the services and the ledger write: nobody edits it here.
NOT_EDITED = [
    *apps.get_app_config("actions").get_models(),
    *apps.get_app_config("portfolios").get_models(),
    *apps.get_app_config("chat").get_models(),
    Quote,
    LogEntry,
]


@pytest.mark.parametrize("model", NOT_EDITED, ids=lambda model: model.__name__)
def test_a_form_that_is_forged_changes_nothing_even_for_a_superuser(
    model: type[Model], admin_client: Client, fired: Action
) -> None:
    row = model._default_manager.first()
    before = stored(model)
    path = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    fields = {field.name: "1" for field in model._meta.concrete_fields} | {"_save": "Save"}
    if model is not RuleImport:  # a file of rules is imported here, by a form of its own
        assert admin_client.post(reverse(f"{path}_add"), fields).status_code == 403
    key = row.pk if row is not None else uuid4()
    for what, form in (("change", fields), ("delete", {"post": "yes"})):
        answer = admin_client.post(reverse(f"{path}_{what}", args=[key]), form)
        nothing_there = row is None and what == "change"
        assert answer.status_code == (302 if nothing_there else 403)
    chosen = {"action": "delete_selected", "_selected_action": [str(key)], "post": "yes"}
    admin_client.post(reverse(f"{path}_changelist"), chosen)
    assert stored(model) == before


def stored(model: type[Model]) -> list[dict[str, object]]:
    return list(model._default_manager.order_by("pk").values())


def test_no_user_is_deleted(admin_client: Client, fired: Action) -> None:
    address = reverse("admin:accounts_user_delete", args=[fired.user_id])
    assert admin_client.post(address, {"post": "yes"}).status_code == 403
    assert User.objects.filter(pk=fired.user_id).exists()


def test_an_instrument_that_rules_may_name_is_not_deleted(
    admin_client: Client, fired: Action
) -> None:
    address = reverse("admin:market_instrument_delete", args=["AAPL"])
    assert admin_client.post(address, {"post": "yes"}).status_code == 403


def test_every_row_that_is_somebodys_leads_to_all_that_is_theirs(
    admin_client: Client, fired: Action
) -> None:
    lists = ("action", "actionexecution", "notification", "delivery", "watch")
    paths = [reverse(f"admin:actions_{name}_changelist") for name in lists]
    paths += [reverse(f"admin:portfolios_{name}_changelist") for name in ("portfolio", "holding")]
    rows: list[Model] = [
        fired.user,
        fired,
        ActionExecution.objects.get(),
        Transaction.objects.latest("at", "sequence"),
        Notification.objects.get(),
        fired.user.portfolios.get(),
    ]
    for row in rows:
        page = admin_client.get(change_page(row)).content.decode()
        for path in paths:
            assert f'href="{path}?q={fired.user_id}"' in page, (row, path)
        assert change_page(fired.user) in page


def test_an_execution_leads_to_its_rule_and_its_lines_of_the_ledger(
    admin_client: Client, fired: Action
) -> None:
    execution = ActionExecution.objects.get()
    page = admin_client.get(change_page(execution)).content.decode()
    assert change_page(fired) in page
    lines = reverse("admin:portfolios_transaction_changelist") + f"?q={execution.pk}"
    assert lines in page
    (line,) = admin_client.get(lines).context["cl"].result_list
    assert line.reference == execution.pk


def test_who_may_only_look_sees_nothing_of_a_password(fired: Action) -> None:
    page = client_of(staff("operations")).get(change_page(fired.user)).content.decode()
    assert "ada@example.org" in page
    assert "pbkdf2" not in page
    assert "assword</label>" not in page


def test_a_password_is_changed_where_wrong_ones_count(admin_client: Client) -> None:
    answer = admin_client.get(reverse("admin:password_change"))
    assert (answer.status_code, answer["Location"]) == (302, reverse("account_change_password"))


def test_nobody_signs_in_at_the_admin_itself(fired: Action) -> None:
    helper = staff("support")
    form = {"username": helper.username, "password": PASSWORD}
    for answer in (Client().post("/admin/login/", form), Client().get("/admin/")):
        assert answer.status_code == 302
    assert Client().post("/admin/login/", form)["Location"].startswith(reverse("account_login"))
    assert client_of(UserFactory.create()).get("/admin/login/").status_code == 403
