"""An evaluator that dies and comes back: what nobody saw is told, and nothing is fired for it."""

import time
from collections.abc import Iterator
from decimal import Decimal

import pytest
from django.utils import timezone

from actions.coverage import Kind
from actions.evaluator import leader
from actions.models import ActionExecution, Tick
from actions.proof import proof_of_watch
from actions.services import Draft, create_action
from tests.conftest import list_instruments
from tests.factories import PortfolioFactory
from tests.feed_server import FeedServer, Handler, feed_server, quote, quotes
from tests.integration.test_stream_process import command, wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


class Market:
    """A feed whose price the test sets."""

    def __init__(self, feed: FeedServer) -> None:
        self.price = "160"
        self.feed = feed
        feed.says(self._say)

    def _say(self, handler: Handler) -> None:
        quotes({"AAPL": quote("AAPL", timezone.now(), self.price)})(handler)


@pytest.fixture
def market() -> Iterator[Market]:
    with feed_server() as feed:
        yield Market(feed)


def test_prices_that_cross_and_return_while_no_evaluator_runs_fire_nothing_and_are_told(
    market: Market,
) -> None:
    list_instruments(["AAPL"])
    draft = Draft(
        action_type="BUY",
        symbol="AAPL",
        quantity=Decimal(1),
        trigger_type="price_below",
        trigger_params={"threshold": "150"},
    )
    user = PortfolioFactory.create(deposit=10_000).user
    rule = create_action(user=user, draft=draft, now=timezone.now())
    environment = {
        "TWELVEDATA_URL": market.feed.url,
        "TWELVEDATA_CREDITS_PER_MINUTE": "1000",
        "TWELVEDATA_CREDITS_PER_DAY": "0",
        "TICK_SECONDS_OPEN": "0.5",
    }
    with command("evaluator", **environment) as first:
        wait_for(lambda: Tick.objects.filter(symbols=1).count() >= 3, 120)
        first.kill()
        first.wait()
    wait_for(lambda: leader() is None)  # what its session was sent may be committed until then
    last = Tick.objects.latest("started_at")
    market.price = "149"
    time.sleep(11)
    market.price = "160"
    with command("evaluator", **environment):
        wait_for(lambda: Tick.objects.filter(pk__gt=last.pk, symbols=1).count() >= 3, 120)
    back = Tick.objects.filter(pk__gt=last.pk).earliest("started_at")
    assert not ActionExecution.objects.exists()
    rule.refresh_from_db()
    assert rule.status == "active"
    spans = proof_of_watch(action=rule, since=rule.created_at, until=timezone.now()).spans
    assert (last.started_at + last.duration, back.started_at, Kind.NO_TICK) in [
        (span.begin, span.end, span.kind) for span in spans
    ]
