"""The best prices that sleeping rules follow: kept once a symbol, and right for every rule."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from accounts.models import User
from actions.engine import run_tick
from actions.judge import Finding, judge, move_on
from actions.models import Action, ActionExecution, Watch, WaterMark
from actions.rebuild import rebuild_watches
from actions.rules import Rule, View
from actions.selectors import explain
from actions.services import Draft, cancel_action, create_action, update_action
from actions.water_marks import followed
from market.hours import AlwaysOpen
from market.models import Quote
from market.quotes import Sample, max_age
from market.selectors import latest_quotes
from tests.conftest import Feed
from tests.factories import UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments")]

TICK = timedelta(seconds=10)
D = Decimal


@dataclass
class Market:
    """One symbol's market: each price is a tick."""

    feed: Feed
    now: datetime
    owner: User

    def tick(self, price: str | Decimal, symbol: str = "AAPL") -> tuple[int, int]:
        """How many rules it woke, and how many of them fired."""
        self.now += TICK
        self.feed.says(symbol, price, self.now)
        report = run_tick(now=self.now)
        assert report.errors == []
        return report.woken, report.fired

    def rule(self, symbol: str = "AAPL", **params: Any) -> Action:
        draft = Draft(
            action_type="NOTIFY",
            symbol=symbol,
            trigger_type="trailing_stop",
            trigger_params=params,
            max_executions=None,
        )
        return create_action(user=self.owner, draft=draft, now=self.now)


@pytest.fixture
def market(feed: Feed, now: datetime) -> Market:
    return Market(feed, now, UserFactory.create())


def marks() -> list[Decimal]:
    return list(WaterMark.objects.order_by("id").values_list("price", flat=True))


def levels() -> tuple[Decimal | None, Decimal | None]:
    quote = Quote.objects.get(pk="AAPL")
    return quote.alert_below, quote.alert_above


def test_a_new_high_raises_every_stop_and_wakes_nobody(market: Market) -> None:
    five = market.rule(percent="5")
    assert market.tick("100") == (1, 0)  # its first look
    ten = market.rule(amount="10")
    assert market.tick("99") == (1, 0)
    assert levels() == (D(95), D("100.000001"))

    assert market.tick("200") == (0, 0)
    assert {turn.best for turn in followed(action_ids=[five.pk, ten.pk]).values()} == {D(200)}
    assert levels() == (D(190), D("200.000001"))

    assert market.tick("190.000001") == (0, 0)
    assert market.tick("190") == (2, 2)
    reasons = ActionExecution.objects.values_list("details__reason", flat=True)
    assert all("its peak of $200.00" in reason for reason in reasons)


def test_rules_that_began_at_different_prices_keep_their_own_peaks(market: Market) -> None:
    actions = []
    for price in ("100", "90", "80", "90"):
        market.tick(price)
        actions.append(market.rule(percent="50"))
        market.tick(price)
    assert sorted(set(marks())) == [D(90), D(100)], "the third has risen to 90 with the price"
    turns = followed(action_ids=[action.pk for action in actions])
    assert [turns[action.pk].best for action in actions] == [D(100), D(90), D(90), D(90)]

    market.tick("95")
    turns = followed(action_ids=[action.pk for action in actions])
    assert [turns[action.pk].best for action in actions] == [D(100), D(95), D(95), D(95)]
    market.tick("101")
    assert marks() == [D(101)]


def test_a_trough_is_the_mirror_image(market: Market) -> None:
    market.rule(percent="10", direction="up")
    market.tick("100")
    assert market.tick("50") == (0, 0)
    assert levels() == (D("49.999999"), D(55))
    assert market.tick("55") == (1, 1)


def test_a_rule_that_has_no_place_among_the_marks_waits_alone_and_joins_at_the_next_high(
    market: Market,
) -> None:
    market.rule(percent="50")
    market.tick("90")
    late = market.rule(percent="50")
    Action.objects.filter(pk=late.pk).update(runtime_state={"peak": "100"})  # it saw a higher one
    market.tick("89")
    alone = Watch.objects.get(action=late)
    assert (alone.turning, alone.below, alone.above) == (None, D(50), D("100.000001"))
    assert market.tick("95") == (0, 0)
    assert market.tick("101") == (1, 0)
    assert followed(action_ids=[late.pk])[late.pk].best == D(101)
    assert market.tick("102") == (0, 0)


def test_a_stop_keeps_its_peak_behind_a_shut_gate(market: Market) -> None:
    action = market.rule(percent="5")
    Action.objects.filter(pk=action.pk).update(cooldown_seconds=100)
    market.tick("100")
    assert market.tick("95") == (1, 1)
    assert market.tick("120") == (0, 0)
    assert market.tick("110") == (1, 0), "it is true, and waits for its cooldown"
    assert market.tick("150") == (0, 0)
    for _ in range(6):
        assert market.tick("140") == (0, 0)
    assert market.tick("140") == (1, 1)
    assert "its peak of $150.00" in ActionExecution.objects.latest("triggered_at").details["reason"]


def test_marks_that_nobody_follows_are_removed(market: Market) -> None:
    rules = [market.rule(percent="5"), market.rule(percent="5")]
    market.tick("100")
    assert len(marks()) == 1
    for action in rules:
        cancel_action(user=market.owner, action_id=action.pk, now=market.now)
    assert marks() == []
    assert levels() == (None, None)


def test_watches_rebuilt_follow_on(market: Market) -> None:
    action = market.rule(percent="5")
    market.tick("100")
    market.tick("200")
    assert rebuild_watches(now=market.now, write=False).differing == 0
    Watch.objects.filter(action=action).update(turn_by=D(7))
    assert rebuild_watches(now=market.now).differing == 1
    assert followed(action_ids=[action.pk])[action.pk].stop == D(190)
    assert levels() == (D(190), D("200.000001"))


def test_the_distance_is_to_the_stop_as_it_is_by_now(market: Market) -> None:
    action = market.rule(percent="5")
    market.tick("100")
    market.tick("200")
    quotes = latest_quotes(symbols=["AAPL"])
    why = explain(actions=[action], quotes=quotes, now=market.now)[action.pk]
    assert why.distance is not None
    assert why.distance.level == D(190)


def test_a_new_high_of_many_rules_takes_as_many_statements_as_one_of_few(market: Market) -> None:
    def statements(price: str) -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert market.tick(price) == (0, 0)
        return len(queries)

    market.rule(percent="5")
    market.tick("100")
    few = statements("101")
    for _ in range(30):
        market.rule(percent="5")
        market.rule(amount="7")
    market.tick("100.5")
    assert statements("110") == few


# --- As the pure trigger keeps it ---


class Always:
    """A rule that is looked at in every tick, without a database."""

    def __init__(self, action: Action) -> None:
        self.action = action
        self.rule: Rule = action.as_rule()
        self.fired: list[tuple[datetime, str]] = []

    def look(self, sample: Sample, now: datetime) -> None:
        view = View(now, now, AlwaysOpen(), max_age(10), {sample.symbol: sample})
        verdict = judge(self.rule, view)
        if verdict.finding is Finding.FIRED:
            self.fired.append((now, verdict.reason))
            self.rule, _ = move_on(self.rule, verdict, view, succeeded=True)
        else:
            self.rule = self.rule.with_state(verdict.state)


params = st.one_of(
    st.builds(
        lambda percent, way: {"percent": str(percent), "direction": way},
        st.sampled_from([1, 5, D("7.5"), 20]),
        st.sampled_from(["down", "up"]),
    ),
    st.builds(
        lambda amount, way: {"amount": str(amount), "direction": way},
        st.sampled_from([1, 3, 20, 1000]),
        st.sampled_from(["down", "up"]),
    ),
    st.just({"percent": "5", "activation_price": "105"}),
)
prices = st.integers(80, 120).map(Decimal) | st.integers(9_999_990, 10_000_010).map(
    lambda n: n * D("0.00001")
)
steps = st.lists(
    st.tuples(st.lists(params, max_size=2), st.lists(prices, min_size=1, max_size=4)),
    min_size=1,
    max_size=8,
)


@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=steps)
def test_rules_fire_with_the_peaks_of_rules_that_look_at_every_price(
    market: Market, steps: Sequence[tuple[Sequence[dict[str, str]], Sequence[Decimal]]]
) -> None:
    with transaction.atomic():
        play(market, steps)
        transaction.set_rollback(True)


def play(
    market: Market, steps: Sequence[tuple[Sequence[dict[str, str]], Sequence[Decimal]]]
) -> None:
    rules: list[Always] = []
    for asked, walk in steps:
        rules += [Always(market.rule(**each)) for each in asked]
        for price in walk:
            market.tick(price)
            for rule in rules:
                rule.look(market.feed.samples["AAPL"], market.now)
            agree(rules)
            nothing_wider_than_asked_for(rules)
    event(f"{WaterMark.objects.count()} marks")
    event(f"{sum(len(rule.fired) for rule in rules) > 0} fired")


def agree(rules: Sequence[Always]) -> None:
    turns = followed(action_ids=[rule.action.pk for rule in rules])
    for rule in rules:
        found = rule.action.executions.order_by("sequence")
        executions = [(each.triggered_at, each.details["reason"]) for each in found]
        assert executions == rule.fired
        if rule.action.pk in turns:
            state = turns[rule.action.pk].state
            assert {key: D(best) for key, best in state.items()} == {
                key: D(best) for key, best in rule.rule.state.items()
            }


def nothing_wider_than_asked_for(rules: Sequence[Always]) -> None:
    """The symbol wakes wherever one of its rules has something to do."""
    for key, turning in WaterMark.objects.values_list("symbol", "turning").distinct():
        stack = WaterMark.objects.filter(symbol=key, turning=turning).order_by("id")
        bests = list(stack.values_list("price", flat=True))
        assert bests == sorted(bests, reverse=turning.startswith("falls"))
    below, above = levels() if rules else (None, None)
    for turn in followed(action_ids=[rule.action.pk for rule in rules]).values():
        stop, best = turn.stop, turn.next_best
        low, high = (stop, best) if turn.turning.falls else (best, stop)
        assert low is None or low <= 0 or (below is not None and below >= low)
        assert high is None or (above is not None and above <= high)


def test_a_stop_whose_cooldown_is_edited_goes_on_from_its_peak(market: Market) -> None:
    market.tick("100")
    stop = market.rule(percent="5")
    for price in ("100", "110", "120"):
        market.tick(price)
    changes = {"cooldown_seconds": 60}
    update_action(user=market.owner, action_id=stop.pk, changes=changes, now=market.now)
    assert market.tick("115") == (1, 0)
    assert market.tick("114") == (1, 1)
