"""`manage.py stream` beside `manage.py evaluator`: real processes, from a socket to the ledger."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from actions.models import Action, ActionExecution, Tick
from actions.services import Draft, create_action
from market.models import FeedStream, Quote
from tests.conftest import list_instruments
from tests.factories import PortfolioFactory
from tests.feed_server import KEY, FeedServer, Handler, feed_server, quote, quotes
from tests.postgres import run_cluster
from tests.stream_server import StreamServer, stream_server

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@contextmanager
def command(name: str, **environment: str) -> "Iterator[subprocess.Popen[str]]":
    process = subprocess.Popen(
        [sys.executable, "manage.py", name],
        cwd=settings.BASE_DIR,
        env=os.environ
        | {
            "DATABASE_URL": run_cluster().url(connection.settings_dict["NAME"]),
            "DJANGO_SETTINGS_MODULE": "tests.open_market",
            "PYTHONUNBUFFERED": "1",
            "MARKET_PROVIDER": "twelvedata",
            "TWELVEDATA_API_KEY": KEY,
        }
        | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        print(process.communicate()[0])  # noqa: T201 -- shown where the test fails


def said(process: "subprocess.Popen[str]") -> str:
    """The next line."""
    assert process.stdout is not None
    return process.stdout.readline()


def ended(process: "subprocess.Popen[str]", number: signal.Signals) -> str:
    """What it had said until it ended, as it should at the signal."""
    process.send_signal(number)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    return output


def wait_for(condition: Callable[[], object], seconds: float = 120) -> float:
    """How long it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "it did not come about"
        time.sleep(0.01)
    return time.monotonic() - began


def says_present_prices(handler: Handler) -> None:
    now = timezone.now()
    quotes({"AAPL": quote("AAPL", now, "230"), "MSFT": quote("MSFT", now, "415")})(handler)


@pytest.fixture
def servers() -> Iterator[tuple[FeedServer, StreamServer]]:
    with feed_server() as feed, stream_server() as stream:
        feed.says(says_present_prices)
        yield feed, stream


def a_rule(now: datetime) -> Action:
    list_instruments(["AAPL", "MSFT"])
    return create_action(
        user=PortfolioFactory.create(deposit=10_000).user,
        draft=Draft(
            action_type="BUY",
            symbol="AAPL",
            quantity=Decimal(1),
            trigger_type="price_below",
            trigger_params={"threshold": "225"},
            max_executions=None,
            cooldown_seconds=3600,
        ),
        now=now,
    )


def test_a_price_on_the_socket_fires_a_rule_at_once_and_once(
    servers: tuple[FeedServer, StreamServer],
) -> None:
    feed, stream = servers
    rule = a_rule(timezone.now())
    urls = {"TWELVEDATA_URL": feed.url, "TWELVEDATA_STREAM_URL": stream.url}
    seldom = {"TICK_SECONDS_OPEN": "600"}
    with command("evaluator", **urls, **seldom) as evaluator:
        wait_for(lambda: Tick.objects.exists())
        with command("stream", **urls) as streaming, command("stream", **urls) as second:
            first_words = [said(process) for process in (streaming, second)]
            assert sorted(first_words) == [
                "Another process streams; waiting to take over.\n",
                "Streaming. Ctrl-C ends it.\n",
            ]
            stream.wait_for(lambda server: server.subscribed == {"AAPL"}, 120)
            wait_for(lambda: FeedStream.objects.filter(symbols=1))
            time.sleep(1.1)  # its prices have whole seconds, which must be after the quote's
            for cents in range(5):
                stream.price("AAPL", f"224.0{cents}", time.time())
            took = wait_for(ActionExecution.objects.exists)
            assert took < 60, "the evaluator's next tick is minutes away"
            stream.price("AAPL", "223", time.time() + 1)
            wait_for(lambda: Quote.objects.get(instrument="AAPL").price == 223)
            (execution,) = ActionExecution.objects.all()
            assert (execution.action_id, execution.execution_status) == (rule.pk, "success")
            assert len(stream.connections) == 1, "one of the two streams, the other waits"
            words = ended(second, signal.SIGINT) + ended(streaming, signal.SIGTERM)
        words += ended(evaluator, signal.SIGTERM)
    assert FeedStream.objects.get().connected_at is None
    assert KEY not in words
    assert "Traceback" not in words


def test_a_feed_without_a_stream_ends_the_command_with_words() -> None:
    with command("stream", MARKET_PROVIDER="replay") as process:
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "MARKET_PROVIDER='replay' has no stream" in output
