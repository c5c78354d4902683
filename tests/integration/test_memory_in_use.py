"""What requests and ticks leave in memory when they are over: nothing that adds up.

Told by what is held, which can be counted, and not by the size of the process, which is that of its
busiest moment.
"""

import gc
import logging
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from functools import _lru_cache_wrapper
from itertools import pairwise
from typing import Any
from uuid import uuid4

import psutil
import pytest
from django.test import Client

from accounts.models import User
from actions import rows
from actions.engine import run_tick
from actions.models import Action
from actions.services import Draft, create_action
from portfolios.services import deposit, primary_portfolio
from tests.api import PRICE_BELOW, Api
from tests.conftest import Feed
from tests.factories import UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments")]

ROUNDS, TIMES = 4, 2
A_FEW = 3  # since psycopg keeps what it made of the latest statements, bounded
CONTAINERS = (dict, list, set, deque)
PAGES = ("/", "/actions", "/actions/new", "/portfolio", "/log")
READS = ("/actions", "/executions", "/portfolios", "/none/such")


@pytest.fixture(autouse=True)
def nothing_is_logged() -> Iterator[None]:
    """What a test logs is held until it has ended."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


def held() -> int:
    """Objects that can refer to others, and entries of dictionaries, lists and sets."""
    gc.collect()
    objects = gc.get_objects()
    # The collector does not know of dictionaries of nothing but numbers and texts.
    plain = {id(each): each for each in gc.get_referents(*objects) if type(each) is dict}
    plain = {key: each for key, each in plain.items() if not gc.is_tracked(each)}
    known = (*objects, *plain.values())
    # By type(): isinstance() would wake what is lazy.
    return len(objects) + sum(len(each) for each in known if issubclass(type(each), CONTAINERS))


def left_by(do: Callable[[], object]) -> float:
    """How much more is held each time that something is done, when all is imported and cached. So
    it is the least of some rounds: what adds up does in each."""
    counts = [held()]
    for _ in range(ROUNDS):
        for _ in range(TIMES):
            do()
        counts.append(held())
    return min(later - earlier for earlier, later in pairwise(counts)) / TIMES


def a_rule(owner: User, now: datetime, threshold: int = 150) -> Action:
    draft = Draft(
        action_type="SELL",
        symbol="AAPL",
        quantity=Decimal(10),
        trigger_type="price_below",
        trigger_params={"threshold": str(threshold)},
    )
    return create_action(user=owner, draft=draft, now=now)


@pytest.fixture
def owner(feed: Feed, now: datetime) -> User:
    user = UserFactory.create()
    deposit(portfolio=primary_portfolio(user=user), amount=Decimal(10_000), at=now)
    a_rule(user, now)
    return user


def test_pages_and_calls_of_the_api_leave_nothing(owner: User) -> None:
    client, api = Client(), Api(owner)
    client.force_login(owner)

    def ask() -> None:
        for path in PAGES:
            client.get(path)
        for path in READS:
            api.get(path)

    assert left_by(ask) < A_FEW


def test_ticks_leave_nothing(owner: User, feed: Feed, now: datetime) -> None:
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        at = now + timedelta(seconds=10 * ticks)
        ticks += 1
        feed.says("AAPL", Decimal(160 + ticks % 7), at)
        run_tick(now=at)

    assert left_by(tick) < 1


def unbounded() -> dict[str, int]:
    """How much is in each cache that may grow without end."""
    gc.collect()
    return {
        f"{each.__module__}.{each.__qualname__}": each.cache_info().currsize
        for each in gc.get_objects()
        if type(each) is _lru_cache_wrapper and each.cache_info().maxsize is None
    }


def test_no_cache_without_bounds_grows_with_who_asks_or_what_for(
    owner: User, now: datetime
) -> None:
    def ask(n: int) -> None:
        somebody = UserFactory.create(time_zone=("UTC", "Europe/Berlin", "Asia/Tokyo")[n % 3])
        rule = a_rule(somebody, now, threshold=100 + n)
        client, api = Client(), Api(somebody)
        client.force_login(somebody)
        pages = (f"/actions/{rule.pk}", f"/actions?q={n}", f"/stocks/NONE{n}", f"/{uuid4()}")
        for path in (*PAGES, *pages):
            client.get(path)
        for path in (*READS, f"/actions/{rule.pk}", f"/actions/{rule.pk}/why", f"/{uuid4()}"):
            api.get(path)
        wrong: dict[str, Any] = {f"field{n}": n}
        api.post("/actions", PRICE_BELOW | {"trigger_params": {"threshold": f"{n}.5"}})
        api.post("/actions", PRICE_BELOW | {"trigger_params": wrong} | wrong)

    for n in range(3):
        ask(n)
    before = unbounded()
    for n in range(3, 6):
        ask(n)
    assert {name: kept for name, kept in unbounded().items() if kept > before.get(name, 0)} == {}


def test_a_sentence_that_is_kept_takes_little_more_than_its_words() -> None:
    count = 2000

    def said(n: int) -> str:
        params = f'{{"threshold": "{n}.25"}}'
        return f'["NOTIFY", "AAPL", null, null, {{}}, "price_above", {params}, 1, 0, null, false]'

    rows._sentence(said(0), "UTC")
    gc.collect()
    before = psutil.Process().memory_info().rss
    for n in range(1, count + 1):
        rows._sentence(said(n), "UTC")
    assert (psutil.Process().memory_info().rss - before) / count < 1500, "bytes"
    assert count < rows.SENTENCES_KEPT, "all of them are kept"
