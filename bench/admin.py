"""What support waits for in the admin: `python -m bench.admin --json`.

Lists and searches over 1,000,000 rules, each of which has done something and told of it, asked for
in this process as the server would be: how long each takes, how much of that the database does, and
how many statements it is sent. Beside them what the database does for Django's own list and search:
it counts all rows, and looks for the text anywhere in the columns.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from time import perf_counter
from typing import Any, NamedTuple

from bench.database import asked_in_process, throw_away_database
from bench.machine import machine, machine_in_words
from bench.terminal import run_until_stopped, say
from bench.timing import percentile_ms

RULES, SYMBOLS = 1_000_000, 5_000
ROUNDS, NAIVE_ROUNDS = 20, 3

_EMAILS = "UPDATE accounts_user SET email = username || '@Example.org'"

_HAPPENED = """
WITH done AS (
    INSERT INTO action_executions (action_id, sequence, triggered_at, execution_status, details)
    SELECT id, 1, created_at + row_number() OVER () * interval '1 millisecond', 'success',
           '{"summary": "Told.", "reason": "So it was.", "rule": "A rule.", "trades": []}'
      FROM actions RETURNING id, action_id, triggered_at
)
INSERT INTO notifications (user_id, action_id, execution_id, kind, subject, body, created_at,
                           dispatched_at)
SELECT a.user_id, a.id, done.id, 'fired', 'Told.', 'Told.', done.triggered_at, done.triggered_at
  FROM done JOIN actions a ON a.id = done.action_id
"""


def run(*, rules: int = RULES, rounds: int = ROUNDS) -> dict[str, Any]:
    """The figures, as `--json` prints them."""
    with throw_away_database(fsync=False), asked_in_process():
        say(f"making {rules:,} rules, executions and notifications ...")
        site = _Site(rules)
        pages = {}
        for name, path in site.paths.items():
            say(f"{name} ...")
            pages[name] = site.measure(path, rounds)
        say("as Django would ...")
        return {
            "pages": pages,
            "naive": dict(site.naive()),
            "rules": rules,
            "rounds": rounds,
            "machine": machine(),
        }


class _Site:
    """A site with many rules, and somebody who supports their owners."""

    def __init__(self, rules: int) -> None:
        from django.db import connection  # noqa: PLC0415
        from django.test import Client  # noqa: PLC0415

        from accounts.models import User  # noqa: PLC0415
        from actions.models import Action, ActionExecution  # noqa: PLC0415
        from bench.population import Population  # noqa: PLC0415

        population = Population(symbols=min(SYMBOLS, rules), at=datetime.now(UTC))
        population.grow(rules)
        with connection.cursor() as cursor:
            # The foreign keys hold by construction; checking them takes longer than the rest.
            cursor.execute("SET session_replication_role = replica")
            cursor.execute(_EMAILS)
            cursor.execute(_HAPPENED)
            cursor.execute("RESET session_replication_role")
            cursor.execute("VACUUM (ANALYZE)")
        rule = Action.objects.latest("id")
        execution = ActionExecution.objects.latest("id")
        email, symbol = f"{rule.user.username}@example", "S00007"
        kinds = {"rules": "action", "executions": "actionexecution", "notices": "notification"}
        self.paths = {"first page": "/admin/", "a rule": f"/admin/actions/action/{rule.pk}/change/"}
        for words, kind in kinds.items():
            path = f"/admin/actions/{kind}/"
            wanted = str(execution.pk if kind == "actionexecution" else rule.pk)
            self.paths |= {
                f"{words}": path,
                f"{words}, by an id": f"{path}?q={wanted}",
                f"{words}, by 8 characters of it": f"{path}?q={wanted[:8]}",
                f"{words}, by e-mail": f"{path}?q={email}",
                f"{words}, by symbol": f"{path}?q={symbol}",
            }
        self._email, self._symbol = email, symbol
        self._client = Client(headers={"host": "localhost"})
        self._client.force_login(User.objects.create_superuser("support"))

    def measure(self, path: str, rounds: int) -> dict[str, Any]:
        self._get(path)  # the first one reads the templates
        took = [_timed(lambda: self._get(path)) for _ in range(rounds)]
        wall = [one.seconds for one in took]
        return {
            "p50_ms": percentile_ms(wall, 50),
            "p95_ms": percentile_ms(wall, 95),
            "database_p50_ms": percentile_ms([one.in_database for one in took], 50),
            "queries": took[0].statements,
        }

    def naive(self) -> Iterator[tuple[str, dict[str, float]]]:
        """The statements of an admin that searches `user__email`, `user__username` and `symbol` as
        it does by default, and shows how many rows there are."""
        from django.db.models import Q  # noqa: PLC0415

        from actions.models import Action  # noqa: PLC0415

        def searched(text: str) -> Any:
            anywhere = Q(symbol__icontains=text)
            anywhere |= Q(user__email__icontains=text) | Q(user__username__icontains=text)
            return Action.objects.filter(anywhere).select_related("user")

        ways: dict[str, Callable[[], object]] = {
            "rules": lambda: (Action.objects.count(), list(Action.objects.all()[:50])),
            "rules, by e-mail": lambda: (
                searched(self._email).count(),
                list(searched(self._email)[:50]),
            ),
            "rules, by symbol": lambda: (
                searched(self._symbol).count(),
                list(searched(self._symbol)[:50]),
            ),
        }
        for name, way in ways.items():
            way()
            took = [_timed(way).in_database for _ in range(NAIVE_ROUNDS)]
            yield name, {"database_p50_ms": percentile_ms(took, 50)}

    def _get(self, path: str) -> bytes:
        answer = self._client.get(path)
        if answer.status_code != 200:
            raise RuntimeError(f"{path} was answered with {answer.status_code}.")
        return answer.content


class _Took(NamedTuple):
    """Seconds in all, those that the database took of them, and how many statements it was sent."""

    seconds: float
    in_database: float
    statements: int


def _timed(work: Callable[[], object]) -> _Took:
    from django.db import connection  # noqa: PLC0415

    spent: list[float] = []

    def clock(execute: Callable[..., Any], *arguments: Any) -> Any:
        begun = perf_counter()
        try:
            return execute(*arguments)
        finally:
            spent.append(perf_counter() - begun)

    begun = perf_counter()
    with connection.execute_wrapper(clock):
        work()
    return _Took(perf_counter() - begun, sum(spent), len(spent))


def table(figures: Mapping[str, Any]) -> str:
    """The figures for people."""
    naive = figures["naive"]
    heads = f"{'p50':>10}{'p95':>10}{'database':>11}{'queries':>9}{'as Django does':>18}"
    lines = [f"{'':32}{heads}"]
    for name, page in figures["pages"].items():
        beside = f"{naive[name]['database_p50_ms']:>15.1f} ms" if name in naive else ""
        took = f"{page['p50_ms']:>7.1f} ms{page['p95_ms']:>7.1f} ms"
        database = f"{page['database_p50_ms']:>8.1f} ms"
        lines.append(f"{name:32}{took}{database}{page['queries']:>9}{beside}")
    return (
        f"{figures['rules']:,} rules, executions and notifications; {figures['rounds']} times "
        f"each\n"
        f"{machine_in_words(figures['machine'])}\n\n" + "\n".join(lines) + "\n"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.admin", description=__doc__)
    parser.add_argument("--rules", type=int, default=RULES, help="in thousands")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each is asked for")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    if min(chosen.rules, chosen.rounds) < 1:
        parser.error("each number must be 1 or more")
    figures = run(rules=chosen.rules, rounds=chosen.rounds)
    print(json.dumps(figures, indent=2) if chosen.json else table(figures))


if __name__ == "__main__":
    run_until_stopped(main)
