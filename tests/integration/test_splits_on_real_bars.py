"""Rules on the real bars of Apple's split in 2014 fire as they do on the bars adjusted for it.

The split was 7-for-1, on 9 June. Each rule is played twice through the engine: on the prices as
they were traded, with the split recorded, and on the adjusted ones.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from actions.engine import run_tick
from actions.models import Action, ActionExecution
from actions.services import Draft, create_action
from actions.splits import Recorded, record_split
from market.bars import read_bars
from market.hours import Exchange
from market.models import FeedIncident
from market.quotes import Bar
from portfolios.ledger import Side
from portfolios.selectors import discrepancies, holdings_of
from portfolios.services import trade
from tests.conftest import Feed, list_instruments
from tests.factories import PortfolioFactory

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.slow,
    pytest.mark.skipif(not SHARED.exists(), reason="the bars of 2014 are not beside this checkout"),
]

SEVEN = Fraction(7)
ON = date(2014, 6, 9)
START = datetime(2014, 5, 20, 14, 0, tzinfo=UTC)  # in a session
END = datetime(2014, 8, 30, tzinfo=UTC)
TICK = timedelta(seconds=10)

# As people would have typed them in May 2014: in old shares.
RULES: Mapping[str, tuple[str, dict[str, Any]]] = {
    "a rise after it": ("price_above", {"threshold": "700"}),
    "a crossing after it": ("price_above", {"threshold": "665", "on": "cross"}),
    "a crossing that is armed before it": ("price_below", {"threshold": "637", "on": "cross"}),
    "a stop that the jump would fire": ("price_below", {"threshold": "600"}),
    "a stop that holds": ("price_below", {"threshold": "500"}),
    "a fall after it": ("price_below", {"threshold": "632"}),
    "a stop in percent": ("trailing_stop", {"percent": "3"}),
    "a stop in dollars": ("trailing_stop", {"amount": "22"}),
    "a wide stop": ("trailing_stop", {"percent": "20"}),
    "a rise from the trough": ("trailing_stop", {"percent": "15", "direction": "up"}),
    "a stop that starts later": ("trailing_stop", {"amount": "14", "activation_price": "660"}),
    "a day's move": ("change_pct", {"change": "2.5", "direction": "down"}),
    "a week's move": ("change_pct", {"change": "4", "direction": "down", "window": "5d"}),
    "a move up in a fortnight": ("change_pct", {"change": "6", "direction": "up", "window": "10d"}),
    "averages": ("ma_cross", {"short": 3, "long": 8, "direction": "down"}),
    "a volume": ("volume_above", {"threshold": 14_000_000}),
    "a multiple of the volume": ("volume_above", {"multiple": "1.4", "lookback": 10}),
    "a high": ("from_high", {"percent": "3", "lookback": 20}),
    "a loss": ("from_cost", {"percent": "1.5", "direction": "down"}),
    "a gain": ("from_cost", {"percent": "12", "direction": "up"}),
}
SPLIT_IN = ("threshold", "amount", "activation_price")


def bars_in(name: str) -> tuple[Bar, ...]:
    return read_bars(SHARED / f"daily_wiki_2014_{name}.csv")["AAPL"]


def adjusted(trigger_type: str, params: dict[str, Any]) -> dict[str, Any]:
    """The same rule as somebody would have typed it who thinks in new shares."""
    by = 7 if trigger_type == "volume_above" else Fraction(1, 7)
    found = dict(params)
    for name in SPLIT_IN:
        if name in params:
            scaled = Fraction(str(params[name])) * by
            found[name] = str(round(Decimal(scaled.numerator) / scaled.denominator, 6))
    return found


class Story:
    """All rules, on AAPL as it was traded and on another symbol whose prices are adjusted, played
    side by side. A close is a quote."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        feed.calendar = Exchange()
        list_instruments(["AAPL", "ADJ"])
        self.raw = bars_in("raw")
        self.adjusted = [replace(bar, symbol="ADJ") for bar in bars_in("splitadj")]
        feed.bars = {"AAPL": self.raw, "ADJ": self.adjusted}
        last = max(n for n, bar in enumerate(self.raw) if bar.at < START)
        self.say(last, self.raw[last].at)
        self.portfolio = PortfolioFactory.create(deposit=1_000_000)
        for symbol, shares, bars in (("AAPL", 700, self.raw), ("ADJ", 4900, self.adjusted)):
            self.buy(symbol, shares, bars[last].close)
        self.tick(START)
        self.rules = {
            (symbol, name): self.rule(symbol, name) for symbol in ("AAPL", "ADJ") for name in RULES
        }

    def buy(self, symbol: str, shares: int, price: Decimal) -> None:
        trade(
            portfolio=self.portfolio,
            side=Side.BUY,
            symbol=symbol,
            quantity=Decimal(shares),
            price=price,
            at=START,
        )

    def rule(self, symbol: str, name: str) -> Action:
        trigger_type, params = RULES[name]
        sells = "stop" in name
        shares = Decimal(10 if symbol == "AAPL" else 70)
        draft = Draft(
            action_type="SELL" if sells else "NOTIFY",
            symbol=symbol,
            quantity=shares if sells else None,
            trigger_type=trigger_type,
            trigger_params=params if symbol == "AAPL" else adjusted(trigger_type, params),
            valid_from=START,
        )
        return create_action(user=self.portfolio.user, draft=draft, now=START)

    def tick(self, now: datetime) -> None:
        assert run_tick(now=now).errors == []

    def say(self, n: int, at: datetime) -> None:
        for bar in (self.raw[n], self.adjusted[n]):
            self.feed.says(bar.symbol, bar.close, at, volume=bar.volume)

    def close(self, n: int) -> None:
        """The price that closes a session, a moment before: so that trades are made."""
        at = self.raw[n].at - TICK
        self.say(n, at)
        self.tick(at)
        self.tick(self.raw[n].at + TICK)  # for those that look at closes

    def days(self) -> list[int]:
        return [n for n, bar in enumerate(self.raw) if START < bar.at < END]

    def adjust_past(self) -> None:
        """The feed's past is in new shares from now on."""
        before = [bar for bar in bars_in("splitadj") if bar.session < ON]
        after = [bar for bar in self.raw if bar.session >= ON]
        self.feed.bars = {"AAPL": [*before, *after], "ADJ": self.adjusted}

    def fired(self, symbol: str) -> dict[str, datetime | None]:
        executions = ActionExecution.objects.filter(action__symbol=symbol)
        assert not executions.filter(execution_status="failed").exists()
        at = dict(executions.values_list("action_id", "triggered_at"))
        return {name: at.get(rule.pk) for (of, name), rule in self.rules.items() if of == symbol}

    def shares(self) -> dict[str, Decimal]:
        rows = holdings_of(portfolio=self.portfolio)
        return dict(rows.values_list("instrument_id", "quantity"))


def record(at: datetime) -> Recorded:
    return record_split(symbol="AAPL", factor=SEVEN, on=ON, now=at, source="test")


@pytest.fixture
def story(settings: Settings, feed: Feed) -> Story:
    settings.MARKET_PROVIDER = "twelvedata"  # prices are doubted, as those of a live feed
    return Story(feed)


@pytest.mark.parametrize("announced", [True, False])
def test_with_the_split_recorded_rules_fire_as_on_adjusted_bars(
    story: Story, announced: bool
) -> None:
    if announced:  # weeks before, and it takes effect by itself
        assert record(START) is Recorded.WAITS
    for n in story.days():
        if story.raw[n].session == ON:
            morning = datetime(2014, 6, 9, 6, 0, tzinfo=UTC)
            story.adjust_past()
            if announced:
                story.tick(morning)
            else:
                assert record(morning) is Recorded.APPLIED
        story.close(n)
    aware = story.fired("ADJ")
    assert story.fired("AAPL") == aware
    assert sum(at is not None for at in aware.values()) >= 12
    assert sum(at is not None and at.date() > ON for at in aware.values()) >= 6
    assert any(at is not None and at.date() < ON for at in aware.values())
    assert story.shares()["AAPL"] == story.shares()["ADJ"]
    assert not FeedIncident.objects.exists()
    assert discrepancies() == []


def test_recorded_after_the_jump_rules_have_not_fired_by_it_and_go_on_as_on_adjusted_bars(
    story: Story,
) -> None:
    for n in story.days():
        if story.raw[n].session == ON:
            before = story.fired("AAPL")
            opened = datetime(2014, 6, 9, 13, 30, tzinfo=UTC)
            for second, price in enumerate(["92.7", "93.1", "92.9", "92.7"]):  # confirmed thrice
                at = opened + second * TICK
                for symbol in ("AAPL", "ADJ"):
                    story.feed.says(symbol, price, at, volume=1_000_000)
                story.tick(at)
            held = FeedIncident.objects.get()
            assert (held.verdict, held.times) == ("doubted", 4)
            assert story.fired("AAPL") == before
            story.adjust_past()
            assert record(opened + 4 * TICK) is Recorded.APPLIED
        story.close(n)
    assert story.fired("AAPL") == story.fired("ADJ")
    assert story.shares()["AAPL"] == story.shares()["ADJ"]
    assert discrepancies() == []
