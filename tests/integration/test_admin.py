"""Every table can be looked at by support, and what must not be edited cannot be."""

from datetime import datetime
from decimal import Decimal

import pytest
from django.apps import apps
from django.contrib import admin
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from actions.engine import run_tick
from actions.models import Action
from actions.services import Draft, create_action
from portfolios.services import deposit, primary_portfolio
from tests.conftest import Feed
from tests.factories import UserFactory

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


@pytest.mark.parametrize("name", ["action", "actionexecution", "watch", "notification", "tick"])
@pytest.mark.parametrize("what", ["add", "delete"])
def test_what_the_engine_writes_is_not_edited(
    name: str, what: str, admin_client: Client, fired: Action
) -> None:
    arguments = [] if what == "add" else [fired.pk if "action" in name else 1]
    address = reverse(f"admin:actions_{name}_{what}", args=arguments)
    assert admin_client.post(address).status_code in {302, 403}
    assert Action.objects.count() == 2


def test_an_instrument_that_rules_may_name_is_not_deleted(
    admin_client: Client, fired: Action
) -> None:
    address = reverse("admin:market_instrument_delete", args=["AAPL"])
    assert admin_client.post(address, {"post": "yes"}).status_code == 403


def test_a_change_that_is_posted_changes_nothing(admin_client: Client, fired: Action) -> None:
    address = reverse("admin:actions_action_change", args=[fired.pk])
    assert admin_client.post(address, {"status": "active"}).status_code == 403
    assert Action.objects.get(pk=fired.pk).status == "completed"
