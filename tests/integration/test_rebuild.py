"""Watches are derived: they can all be lost, and are made again from the rules."""

from datetime import datetime, timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from actions.engine import run_tick
from actions.models import Action, Watch
from actions.rebuild import rebuild_watches
from actions.services import Draft, create_action, pause_action
from market.models import Quote
from portfolios.services import deposit, primary_portfolio
from tests.conftest import Feed
from tests.factories import UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments")]

SECOND = timedelta(seconds=1)


@pytest.fixture
def owner(now: datetime) -> User:
    user = UserFactory.create()
    deposit(portfolio=primary_portfolio(user=user), amount=Decimal(10_000), at=now)
    return user


@pytest.fixture
def sleeping(owner: User, feed: Feed, now: datetime) -> list[Action]:
    """Rules of several kinds after a first look, none of which has fired."""
    params: list[tuple[str, dict[str, str]]] = [
        ("price_below", {"threshold": "150"}),
        ("price_below", {"threshold": "140", "on": "cross"}),
        ("price_above", {"threshold": "150", "on": "cross"}),
        ("price_above", {"threshold": "55", "symbol": "MSFT"}),
    ]
    actions = [
        create_action(
            user=owner,
            draft=Draft(
                action_type="BUY",
                symbol="AAPL",
                quantity=Decimal(1),
                trigger_type=trigger_type,
                trigger_params=trigger_params,
                valid_until=now + timedelta(days=30),
            ),
            now=now,
        )
        for trigger_type, trigger_params in params
    ]
    feed.says("AAPL", "160", now)
    feed.says("MSFT", "50", now)
    assert run_tick(now=now).fired == 0
    return actions


def content() -> set[tuple[object, ...]]:
    return set(Watch.objects.values_list("action", "symbol", "below", "above", "at"))


def levels() -> set[tuple[object, ...]]:
    return set(Quote.objects.values_list("instrument_id", "alert_below", "alert_above"))


def test_lost_watches_are_made_again_as_they_were(sleeping: list[Action], now: datetime) -> None:
    watches, alerts = content(), levels()
    assert len(watches) == 5
    assert rebuild_watches(now=now + SECOND).differing == 0, "nothing to put right"
    Watch.objects.all().delete()
    Quote.objects.update(alert_below=None, alert_above=None)
    rebuilt = rebuild_watches(now=now + SECOND)
    assert (rebuilt.rules, rebuilt.differing) == (4, 4)
    assert (content(), levels()) == (watches, alerts)


def test_watches_that_say_something_else_are_put_right(
    sleeping: list[Action], owner: User, now: datetime
) -> None:
    watches = content()
    Watch.objects.filter(below=150).update(below=10)
    Watch.objects.filter(symbol="MSFT").update(above=None)
    paused = sleeping[0]
    assert rebuild_watches(now=now, write=False).differing == 2
    assert content() != watches, "it was only asked to count"
    rebuild_watches(now=now)
    assert content() == watches
    leftover = Watch(action=paused, symbol="AAPL", below=Decimal(1))
    pause_action(user=owner, action_id=paused.pk, now=now)
    leftover.save()
    assert rebuild_watches(now=now).differing == 1
    assert not paused.watches.exists()


def test_the_command_says_how_many_differed(sleeping: list[Action]) -> None:
    Watch.objects.filter(below=150).delete()
    with pytest.raises(CommandError, match="4 sleeping rules, 1 watches differed"):
        call_command("rebuild_watches", check=True)
    out = StringIO()
    call_command("rebuild_watches", stdout=out)
    assert out.getvalue() == "4 sleeping rules, 1 watches differed.\n"
    call_command("rebuild_watches", check=True, stdout=out)
