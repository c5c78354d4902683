"""Creating, pausing, resuming and cancelling rules, and what is refused."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from accounts.models import User
from actions.engine import run_tick
from actions.lifecycle import TransitionRefused
from actions.models import Action, Watch
from actions.parts import InvalidRule
from actions.services import Draft, cancel_action, create_action, pause_action, resume_action
from market.hours import Exchange
from market.models import Quote
from market.services import follow
from portfolios.services import primary_portfolio
from tests.conftest import Feed
from tests.factories import UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments", "feed")]

SELL: dict[str, Any] = {
    "action_type": "SELL",
    "symbol": "AAPL",
    "quantity": Decimal(10),
    "trigger_type": "price_below",
    "trigger_params": {"threshold": "150"},
}


@pytest.fixture
def owner() -> User:
    return UserFactory.create()


def test_a_new_rule_is_active_and_looked_at_with_the_next_tick(owner: User, now: datetime) -> None:
    action = create_action(user=owner, draft=Draft(**SELL), now=now)
    stored = Action.objects.get()
    assert stored == action
    assert (stored.status, stored.valid_from, stored.max_executions) == ("active", now, 1)
    assert stored.portfolio == primary_portfolio(user=owner)
    assert stored.trigger_params == {"threshold": "150"}
    watch = Watch.objects.get()
    assert (watch.symbol, watch.below, watch.above, watch.at) == ("AAPL", None, None, now)
    assert Quote.objects.get().instrument_id == "AAPL"


def test_a_rule_reads_as_one_plain_sentence(owner: User, now: datetime) -> None:
    owner.time_zone = "America/New_York"
    draft = Draft(**SELL, valid_until=datetime.fromisoformat("2026-11-27T16:00-05:00"))
    action = create_action(user=owner, draft=draft, now=now)
    assert action.sentence(owner.zone) == (
        "Sell 10 AAPL when the price is at or below $150.00, once, "
        "until Fri 27 Nov 2026 16:00 New York."
    )


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"quantity": Decimal(0)}, "quantity"),
        ({"quantity": Decimal(-1)}, "quantity"),
        ({"quantity": Decimal("NaN")}, "quantity"),
        ({"quantity": Decimal("Infinity")}, "quantity"),
        ({"quantity": Decimal("0.000000001")}, "quantity"),
        ({"quantity": None}, "quantity"),
        ({"amount_usd": Decimal(5)}, "quantity"),
        ({"quantity": None, "amount_usd": Decimal("0.001")}, "amount_usd"),
        ({"quantity": None, "action_params": {"fraction": "1.01"}}, "action_params.fraction"),
        ({"action_params": {"color": "red"}}, "action_params.color"),
        ({"action_params": {"quantity": "3"}}, "action_params.quantity"),
        ({"action_type": "HODL"}, "action_type"),
        ({"symbol": None}, "symbol"),
        ({"symbol": "ＡＡＰＬ"}, "symbol"),
        ({"symbol": "NOPE"}, "symbol"),
        ({"symbol": "AAPL\x00"}, "symbol"),
        ({"trigger_type": "price_sideways"}, "trigger_type"),
        ({"trigger_params": {}}, "trigger_params.threshold"),
        ({"trigger_params": {"threshold": True}}, "trigger_params.threshold"),
        ({"trigger_params": {"threshold": "1e999"}}, "trigger_params.threshold"),
        ({"trigger_params": {"threshold": "150", "on": "edge"}}, "trigger_params.on"),
        ({"trigger_params": {"threshold": "150", "symbol": "NOPE"}}, "trigger_params.symbol"),
        ({"max_executions": 0}, "max_executions"),
        ({"cooldown_seconds": -1}, "cooldown_seconds"),
        ({"valid_until": datetime.fromisoformat("2026-11-17T15:00Z")}, "valid_until"),
        ({"valid_until": date(2026, 11, 13)}, "valid_until"),
        (
            {
                "valid_from": datetime.fromisoformat("2026-12-02T00:00Z"),
                "valid_until": datetime.fromisoformat("2026-12-01T00:00Z"),
            },
            "valid_until",
        ),
        ({"portfolio_id": "00000000-0000-0000-0000-000000000000"}, "portfolio_id"),
    ],
)
def test_what_cannot_be_is_refused_by_name_and_nothing_is_stored(
    owner: User, now: datetime, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidRule) as refused:
        create_action(user=owner, draft=Draft(**(SELL | changes)), now=now)
    assert list(refused.value.errors) == [field]
    assert refused.value.errors[field], "it says what is wrong"
    assert not Action.objects.exists()
    assert not Watch.objects.exists()


def test_all_that_is_wrong_is_said_at_once(owner: User, now: datetime) -> None:
    with pytest.raises(InvalidRule) as refused:
        create_action(
            user=owner,
            draft=Draft(
                action_type="BUY",
                trigger_type="price_above",
                trigger_params={"threshold": "-1"},
                cooldown_seconds=-5,
            ),
            now=now,
        )
    assert set(refused.value.errors) == {
        "quantity",
        "trigger_params.threshold",
        "cooldown_seconds",
    }


def test_another_persons_portfolio_does_not_exist(owner: User, now: datetime) -> None:
    theirs = primary_portfolio(user=UserFactory.create())
    with pytest.raises(InvalidRule) as refused:
        create_action(user=owner, draft=Draft(**SELL, portfolio_id=theirs.pk), now=now)
    assert refused.value.errors == {"portfolio_id": "You have no such portfolio."}


def test_another_persons_rule_does_not_exist(owner: User, now: datetime) -> None:
    action = create_action(user=owner, draft=Draft(**SELL), now=now)
    for use in (pause_action, resume_action, cancel_action):
        with pytest.raises(Action.DoesNotExist):
            use(user=UserFactory.create(), action_id=action.pk, now=now)


def test_an_end_on_a_date_is_the_close_of_that_day_or_the_last_before_it(
    owner: User, now: datetime, feed: Feed
) -> None:
    feed.calendar = Exchange()
    for day, close in [
        (date(2026, 11, 20), "2026-11-20T21:00Z"),
        (date(2026, 11, 22), "2026-11-20T21:00Z"),  # a Sunday
        (date(2026, 11, 26), "2026-11-25T21:00Z"),  # Thanksgiving
        (date(2026, 11, 27), "2026-11-27T18:00Z"),  # the half-day after it
    ]:
        action = create_action(user=owner, draft=Draft(**SELL, valid_until=day), now=now)
        assert action.valid_until == datetime.fromisoformat(close)


def test_resuming_starts_the_trigger_anew(owner: User, now: datetime, feed: Feed) -> None:
    draft = Draft(**(SELL | {"trigger_params": {"threshold": "150", "on": "cross"}}))
    action = create_action(user=owner, draft=draft, now=now)
    feed.says("AAPL", "151", now)
    run_tick(now=now)
    action.refresh_from_db()
    assert action.runtime_state == {"armed": True}

    pause_action(user=owner, action_id=action.pk, now=now)
    assert not Watch.objects.exists()
    feed.says("AAPL", "149", now + timedelta(seconds=1))
    Quote.objects.update(price=Decimal(149), as_of=now + timedelta(seconds=1))
    resumed = resume_action(user=owner, action_id=action.pk, now=now + timedelta(seconds=2))
    assert resumed.runtime_state == {}, "below the threshold already: not armed"
    assert resumed.status_reason == "Resumed by you: its trigger has started anew."
    assert run_tick(now=now + timedelta(seconds=2)).fired == 0


def test_final_is_final(owner: User, now: datetime) -> None:
    action = create_action(user=owner, draft=Draft(**SELL), now=now)
    cancel_action(user=owner, action_id=action.pk, now=now)
    for use in (pause_action, resume_action, cancel_action):
        with pytest.raises(TransitionRefused, match="Allowed: nothing: this is final"):
            use(user=owner, action_id=action.pk, now=now)


def test_an_expired_rule_is_not_resumed(owner: User, now: datetime) -> None:
    draft = Draft(**SELL, valid_until=now + timedelta(hours=1))
    action = create_action(user=owner, draft=draft, now=now)
    pause_action(user=owner, action_id=action.pk, now=now)
    with pytest.raises(InvalidRule, match="has expired"):
        resume_action(user=owner, action_id=action.pk, now=now + timedelta(hours=1))


@pytest.mark.parametrize(
    ("as_of", "armed"),
    [
        ("2026-11-16T21:00Z", True),  # the last close: until it opens, that is the price
        ("2026-11-16T20:59:59Z", False),  # a price from before it
        ("2026-10-16T20:00Z", False),
    ],
)
def test_only_a_price_that_still_stands_counts_at_the_activation(
    owner: User, now: datetime, feed: Feed, as_of: str, armed: bool
) -> None:
    feed.calendar = Exchange()
    follow(symbols=["AAPL"])
    Quote.objects.update(price=Decimal(151), as_of=datetime.fromisoformat(as_of))
    draft = Draft(**(SELL | {"trigger_params": {"threshold": "150", "on": "cross"}}))
    action = create_action(user=owner, draft=draft, now=now)
    assert action.runtime_state == ({"armed": True} if armed else {})
