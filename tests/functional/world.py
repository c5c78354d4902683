"""A site on which something has happened: the autumn of 2008, played to rules of every kind."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property

from accounts.models import User
from actions.engine import run_tick
from actions.models import Action, RuleDraft
from actions.selectors import actions_of
from actions.services import Draft, cancel_action, create_action, pause_action
from actions.wizard.drafts import open_draft
from market.services import restart_replay
from tests.factories import PASSWORD, UserFactory
from tradingrules.demo.seed import FIRST_SESSION, seed

SESSIONS = 22  # of the autumn that have been played: until the middle of October
SESSION_SECONDS = Decimal(4)
TICK = timedelta(seconds=4)

MORE_RULES = (
    Draft(
        action_type="REBALANCE",
        action_params={"targets": {"AAPL": "0.4", "IBM": "0.3", "GOOG": "0.2"}},
        trigger_type="drift",
        trigger_params={"tolerance_pct": "25"},
        max_executions=None,
        cooldown_seconds=86_400,
    ),
    Draft(
        action_type="BUY",
        symbol="IBM",
        amount_usd=Decimal(500),
        trigger_type="time_of_day",
        trigger_params={"time": "09:45", "timezone": "America/New_York", "days": "trading_days"},
        max_executions=12,
    ),
    Draft(
        action_type="NOTIFY",
        symbol="MSFT",
        trigger_type="ma_cross",
        trigger_params={"short": 10, "long": 50, "direction": "up"},
    ),
    Draft(
        action_type="NOTIFY",
        symbol="AAPL",
        trigger_type="volume_above",
        trigger_params={"multiple": "3"},
    ),
    Draft(
        action_type="BUY",
        symbol="GOOG",
        quantity=Decimal(2),
        trigger_type="from_high",
        trigger_params={"percent": "60"},
    ),
    Draft(
        action_type="SELL",
        symbol="AAPL",
        action_params={"fraction": "0.5"},
        trigger_type="from_cost",
        trigger_params={"direction": "up", "percent": "15"},
    ),
    Draft(
        action_type="SELL",
        symbol="MSFT",
        quantity=Decimal(5),
        trigger_type="price_above",
        trigger_params={"threshold": "31.50"},
        notes="Before the holidays.",
    ),
    Draft(
        action_type="SELL",
        symbol="IBM",
        quantity=Decimal(5),
        trigger_type="price_below",
        trigger_params={"threshold": "100"},
        max_executions=4,
        cooldown_seconds=8,
        rehearsal=True,
    ),
)
WORDY = Draft(
    action_type="NOTIFY",
    symbol="AAPL",
    action_params={"message": "<b>Look</b> at this, " + "and at everything else as well, " * 6},
    trigger_type="price_above",
    trigger_params={"threshold": "1250.123456"},
    max_executions=None,
    cooldown_seconds=3600,
)


TRAILING = Draft(
    action_type="SELL",
    symbol="AAPL",
    quantity=Decimal(10),
    trigger_type="trailing_stop",
    trigger_params={"percent": "5"},
    max_executions=3,
    cooldown_seconds=86_400,
)


@dataclass(frozen=True)
class World:
    """`owner` has rules and what they did (and is of the staff); `newcomer` has nothing yet."""

    owner: User
    newcomer: User

    @property
    def waiting(self) -> Action:
        """A rule that is active and has a level to wait for."""
        return actions_of(user=self.owner).filter(symbol="AAPL", trigger_type="from_cost").get()

    @property
    def rehearsal(self) -> Action:
        """A rule that trades nothing."""
        return Action.objects.get(user=self.owner, rehearsal=True)

    @property
    def fired(self) -> Action:
        """A rule that has done the most."""
        return Action.objects.filter(user=self.owner).latest("executions_count", "created_at")

    @cached_property
    def draft(self) -> RuleDraft:
        """A rule that the owner is writing."""
        return open_draft(user=self.owner, draft=TRAILING, now=self.owner.date_joined)


def believable_world(*, now: datetime) -> World:
    """Plays SESSIONS sessions to the rules, in ticks that end at `now`. The replay goes on then."""
    begin = now - timedelta(seconds=float(SESSION_SECONDS) * SESSIONS)
    owner, _ = seed(password=PASSWORD, now=begin)
    restart_replay(now=begin, first_session=FIRST_SESSION, session_seconds=SESSION_SECONDS)
    until = now + timedelta(days=12)
    for draft in (*MORE_RULES, WORDY, TRAILING):
        create_action(user=owner, draft=draft, now=begin)
    dated = Draft(
        action_type="SELL",
        symbol="GOOG",
        quantity=Decimal(1),
        trigger_type="price_above",
        trigger_params={"threshold": "520"},
        valid_until=until.date(),
    )
    create_action(user=owner, draft=dated, now=begin)
    _pause_and_cancel(owner, begin)
    at = begin
    while at <= now:
        run_tick(now=at)
        at += TICK
    return World(owner, UserFactory.create(username="grace", time_zone="Europe/Berlin"))


def _pause_and_cancel(owner: User, now: datetime) -> None:
    waiting = actions_of(user=owner).filter(trigger_type="price_above")
    paused = waiting.get(symbol="MSFT")
    pause_action(user=owner, action_id=paused.pk, now=now)
    cancelled = waiting.get(symbol="AAPL", trigger_params__on="cross")
    cancel_action(user=owner, action_id=cancelled.pk, now=now)
