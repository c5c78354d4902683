"""Visitors of the pages and the API, each a thread, and what they were answered."""

import random
import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from time import perf_counter
from typing import Any

import requests
from django.conf import settings
from django.test import Client
from rest_framework_simplejwt.tokens import RefreshToken

from accounts.models import User
from actions.models import Action
from bench.timing import percentile_ms

PAGES = ("/", "/actions", "/portfolio", "/notifications", "/status", "/log", "/actions/new")
READS = ("/actions?page_size=50", "/executions", "/portfolios", "/monitoring/status")
NEW_RULE = {
    "action_type": "NOTIFY",
    "symbol": "S00000",
    "trigger_type": "price_above",
    "trigger_params": {"threshold": "999"},
}
# Whoever of the server's processes takes a connection has all that is asked on it. Of visitors who
# come at once and stay, one process would have them all, and the other would be told to be flat.
REQUESTS_A_CONNECTION = 20
_A_DAY = timedelta(days=1)
_ID = re.compile(r"[0-9a-f-]{36}|\?.*")


@dataclass
class Answers:
    """What all visitors together were answered; times in seconds."""

    statuses: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, what: str, status: str, seconds: float) -> None:
        with self._lock:
            self.statuses[status] += 1
            self.seconds.append(seconds)
            # A rule that has fired meanwhile is neither paused nor resumed: 409 is its answer.
            if not status.startswith(("2", "3")) and status != "409":
                self.wrong.append(f"{status} {what}")

    def as_json(self) -> dict[str, Any]:
        return {
            "requests": len(self.seconds),
            "statuses": dict(self.statuses),
            "error_responses": len(self.wrong),
            "errors": dict(Counter(self.wrong).most_common(10)),
            "p50_ms": percentile_ms(self.seconds, 50) if self.seconds else None,
            "p99_ms": percentile_ms(self.seconds, 99) if self.seconds else None,
        }


class Visitor(threading.Thread):
    """Somebody who reads pages and the API, writes rules, and pauses and resumes them; who thinks
    for some seconds after each answer."""

    def __init__(
        self,
        user: User,
        url: str,
        answers: Answers,
        stop: threading.Event,
        *,
        thinks: float,
        seed: int,
    ) -> None:
        super().__init__(name=f"visitor-{seed}", daemon=True)
        self._url, self._answers, self._stop_asked = url, answers, stop
        self._thinks = thinks
        self._random = random.Random(seed)
        self._cookies, self._token = _signed_in(user)
        rules = Action.objects.filter(user=user, status="active").values_list("pk", flat=True)
        self._rules = [str(pk) for pk in rules[:20]]

    def run(self) -> None:
        while not self._stop_asked.is_set():
            with requests.Session() as session:
                for _ in range(REQUESTS_A_CONNECTION):
                    if self._stop_asked.wait(self._thinks):
                        break
                    self._do_something(session)

    def _do_something(self, session: requests.Session) -> None:
        chosen, rule = self._random.random(), self._random.choice(self._rules)
        if chosen < 0.4:
            self._ask(session, "GET", self._random.choice((*PAGES, f"/actions/{rule}")))
        elif chosen < 0.8:
            path = self._random.choice((*READS, f"/actions/{rule}", f"/actions/{rule}/why"))
            self._call(session, "GET", path)
        elif chosen < 0.9:
            self._call(session, "POST", "/actions", NEW_RULE)
        else:
            wanted = self._random.choice(("paused", "active"))
            self._call(session, "PATCH", f"/actions/{rule}", {"status": wanted})

    def _call(self, session: requests.Session, method: str, path: str, body: Any = None) -> None:
        headers = {"Authorization": f"Bearer {self._token}"}
        self._ask(session, method, f"/api{path}", headers=headers, json=body)

    def _ask(self, session: requests.Session, method: str, path: str, **more: Any) -> None:
        if "headers" not in more:
            more["cookies"] = self._cookies
        began = perf_counter()
        try:
            answer = session.request(
                method, f"{self._url}{path}", timeout=60, allow_redirects=False, **more
            )
            status = str(answer.status_code)
        except requests.RequestException as error:
            status = type(error).__name__
        self._answers.add(f"{method} {_ID.sub('...', path)}", status, perf_counter() - began)


@contextmanager
def visiting(users: Sequence[User], url: str, *, thinks: float) -> Iterator[Answers]:
    """A visitor for each user, until the end of it; what they have been answered."""
    answers, stop = Answers(), threading.Event()
    visitors = [
        Visitor(user, url, answers, stop, thinks=thinks, seed=n) for n, user in enumerate(users)
    ]
    for visitor in visitors:
        visitor.start()
    try:
        yield answers
    finally:
        stop.set()
        for visitor in visitors:
            visitor.join()


def _signed_in(user: User) -> tuple[Mapping[str, str], str]:
    """A session's cookie, and a token of the API that holds for a day."""
    client = Client()
    client.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[-1])
    token = RefreshToken.for_user(user).access_token
    token.set_exp(lifetime=_A_DAY)
    return {"sessionid": client.cookies["sessionid"].value}, str(token)
