"""Rules leave as a file and come back from it: all of a file or nothing, and once."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import User
from actions.bulk.imports import (
    ImportRefused,
    apply_import,
    cancel_import,
    check_import,
    confirm_import,
    open_import,
    owned_import,
)
from actions.bulk.writing import written
from actions.engine import run_tick
from actions.models import Action, RuleImport, Watch
from actions.services import Draft, cancel_action, create_action, pause_action
from portfolios.models import Portfolio
from portfolios.services import open_portfolio, primary_portfolio
from tests.conftest import Feed
from tests.factories import UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments", "feed")]

HEADER = "external_id,action_type,symbol,quantity,trigger_type,trigger_params"
DIP = 'dip,BUY,AAPL,10,price_below,"{""threshold"": ""150""}"'
RISE = 'rise,SELL,MSFT,2.5,price_above,"{""threshold"": 300}"'


def csv_of(*lines: str, header: str = HEADER) -> bytes:
    return "\r\n".join([header, *lines, ""]).encode()


@pytest.fixture
def ada() -> User:
    return UserFactory.create(username="ada", time_zone="America/New_York")


def checked(user: User, content: bytes, now: datetime, **more: Any) -> RuleImport:
    held = open_import(user=user, content=content, now=now, **more)
    return check_import(import_id=held.pk, now=now)


def applied(user: User, content: bytes, now: datetime, **more: Any) -> RuleImport:
    held = checked(user, content, now, **more)
    assert held.state == "checked", held.shown
    assert confirm_import(user=user, import_id=held.pk, now=now)
    return apply_import(import_id=held.pk, now=now)


def errors_of(held: RuleImport) -> list[tuple[int, str]]:
    """The lines and columns that are wrong."""
    assert held.state == "refused"
    return [
        (error["line"], error["column"]) for line in held.shown for error in line["errors"]
    ]


def test_what_a_file_would_do_is_told_line_by_line_and_nothing_is_done(
    ada: User, now: datetime
) -> None:
    applied(ada, csv_of(DIP, RISE), now)
    changed = DIP.replace("150", "140")
    held = checked(ada, csv_of(changed, RISE, DIP.replace("dip", "new")), now)
    assert held.state == "checked"
    assert held.counts == {"changed": 1, "unchanged": 1, "new": 1}
    told = [(line["line"], line["external_id"], line["outcome"]) for line in held.shown]
    assert told == [(2, "dip", "changed"), (4, "new", "new")]
    assert held.shown[0]["changes"] == ["trigger_params"]
    assert Action.objects.count() == 2
    assert Action.objects.get(external_id="dip").trigger_params == {"threshold": "150"}


def test_new_rules_are_as_if_written_one_by_one(ada: User, feed: Feed, now: datetime) -> None:
    feed.says("AAPL", "160", now)
    run_tick(now=now)
    held = applied(ada, csv_of(DIP, RISE), now)
    assert (held.state, held.counts) == ("done", {"new": 2})
    by_hand = create_action(
        user=ada,
        draft=Draft(
            action_type="BUY",
            symbol="AAPL",
            quantity=Decimal(10),
            trigger_type="price_below",
            trigger_params={"threshold": "150"},
        ),
        now=now,
    )
    imported = Action.objects.get(external_id="dip")
    for name in ("status", "symbol", "quantity", "trigger_params", "valid_from", "portfolio_id"):
        assert getattr(imported, name) == getattr(by_hand, name), name
    waits = Watch.objects.filter(action__in=[imported, by_hand]).values_list("symbol", "at")
    assert list(waits) == [("AAPL", now), ("AAPL", now)]
    run_tick(now=now + timedelta(seconds=10))
    feed.says("AAPL", "149", now + timedelta(seconds=20))
    assert run_tick(now=now + timedelta(seconds=20)).woken == 2


def test_the_same_file_again_changes_nothing(ada: User, now: datetime) -> None:
    applied(ada, csv_of(DIP, RISE), now)
    before = list(Action.objects.order_by("pk").values())
    held = applied(ada, csv_of(DIP, RISE), now + timedelta(hours=1))
    assert held.counts == {"unchanged": 2}
    assert list(Action.objects.order_by("pk").values()) == before
