"""The notifications in the app: what was told, and the way to why."""

from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.models import User
from actions.engine import run_tick
from actions.models import Notification
from actions.services import Draft, create_action
from tests.conftest import Feed
from tests.factories import PortfolioFactory, UserFactory
from tests.integration.test_overview_pages import signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments")]


@pytest.fixture
def ada(feed: Feed) -> User:
    user: User = UserFactory.create(username="ada")
    PortfolioFactory.create(user=user, deposit=1_000)
    return user


@pytest.mark.parametrize(("quantity", "icon"), [(1, "actions"), (1_000, "warn")])
def test_what_is_told_leads_to_its_rule_and_a_refusal_looks_like_one(
    ada: User, feed: Feed, quantity: int, icon: str
) -> None:
    now = timezone.now()
    draft = Draft(
        action_type="BUY",
        symbol="AAPL",
        quantity=Decimal(quantity),
        trigger_type="price_below",
        trigger_params={"threshold": "150"},
    )
    action = create_action(user=ada, draft=draft, now=now)
    feed.says("AAPL", "149", now)
    run_tick(now=now)
    assert Notification.objects.filter(user=ada).count() == 1
    page = signed_in(ada).get("/notifications").content.decode()
    timeline = page.partition('class="card timeline"')[2]
    assert f'href="/actions/{action.pk}"' in timeline
    assert f"icons.svg#{icon}" in timeline
