"""What the pages of rules cost: `python -m bench.pages --json`.

Each is asked for in this process, as the server would be, by a user who has 10,000 rules that did
100,000 things: how long it takes, how much of that this process computes (the rest is the database,
and waiting where a machine is shared), how many statements it sends to the database, and how much a
browser fetches that has nothing yet. Style sheets and scripts count as they are sent, compressed;
the library that draws charts does not count.
"""

import argparse
import gzip
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from bench.database import asked_in_process, throw_away_database
from bench.machine import machine, machine_in_words
from bench.terminal import run_until_stopped, say
from bench.timing import percentile_ms

RULES, EXECUTIONS, SYMBOLS, HOLDINGS = 10_000, 100_000, 500, 30
ROUNDS = 40
_CHARTS = "lightweight-charts"
_FETCHED = re.compile(r'(?:src|href)="(/static/[^"#]+\.(?:css|js|mjs|svg))')

# As _TO_ONE of bench.api: one user's rules, made one after the other.
_TO_ONE = """
UPDATE actions SET user_id = %(user)s, portfolio_id = %(portfolio)s,
       created_at = created_at + row.n * interval '1 second'
  FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM actions) AS row
 WHERE actions.id = row.id
"""

_EXECUTIONS = """
INSERT INTO action_executions (action_id, sequence, triggered_at, execution_status, details)
SELECT id, n, %(at)s - n * interval '1 minute', 'success',
       '{"summary": "Told.", "reason": "The price was there.", "rule": "A rule.", "trades": []}'
  FROM (SELECT id FROM actions ORDER BY id) AS rule, generate_series(1, %(each)s) AS n
"""

_QUOTES = """
UPDATE market_quote SET price = said.price, as_of = %(at)s, received_at = %(at)s
  FROM unnest(%(symbols)s::text[], %(prices)s::numeric[]) AS said(symbol, price)
 WHERE market_quote.symbol = said.symbol
"""


def run(
    *, rules: int = RULES, executions: int = EXECUTIONS, rounds: int = ROUNDS
) -> dict[str, Any]:
    """The figures, as `--json` prints them."""
    with throw_away_database(fsync=False), asked_in_process():
        say(f"making {rules:,} rules and {executions:,} executions ...")
        site = _Site(rules, executions)
        pages = {}
        for name, path in site.paths.items():
            say(f"{name} ...")
            pages[name] = site.measure(path, rounds)
        return {
            "pages": pages,
            "rules": rules,
            "executions": executions,
            "rounds": rounds,
            "machine": machine(),
        }


class _Site:
    """A site with a user who has all the rules; of Django only what is set up by now."""

    def __init__(self, rules: int, executions: int) -> None:
        from django.db import connection  # noqa: PLC0415
        from django.test import Client  # noqa: PLC0415

        from accounts.models import User  # noqa: PLC0415
        from actions.models import Action  # noqa: PLC0415
        from actions.services import Draft  # noqa: PLC0415
        from actions.wizard.drafts import open_draft  # noqa: PLC0415
        from bench.population import Population  # noqa: PLC0415
        from portfolios.ledger import Side  # noqa: PLC0415
        from portfolios.services import deposit, primary_portfolio, trade  # noqa: PLC0415

        now = datetime.now(UTC)
        population = Population(symbols=min(SYMBOLS, rules), at=now)
        population.grow(rules)
        user = User.objects.create(username="asking", time_zone="America/New_York")
        portfolio = primary_portfolio(user=user)
        deposit(portfolio=portfolio, amount=Decimal(100_000), at=now)
        each = max(executions // rules, 1)
        with connection.cursor() as cursor:
            cursor.execute(_TO_ONE, {"user": user.pk, "portfolio": portfolio.pk})
            cursor.execute(_EXECUTIONS, {"at": now, "each": each})
            columns: dict[str, Any] = {
                "symbols": list(population.prices),
                "prices": list(population.prices.values()),
            }
            cursor.execute(_QUOTES, {"at": now, **columns})
            cursor.execute("VACUUM (ANALYZE)")
        held = sorted(population.prices)[:HOLDINGS]
        for symbol in held:
            trade(
                portfolio=portfolio,
                side=Side.BUY,
                symbol=symbol,
                quantity=Decimal(2),
                price=Decimal(population.prices[symbol]),
                at=now,
            )
        rule = Action.objects.filter(user=user)[0]
        asked = Draft(
            action_type="BUY",
            symbol=rule.symbol,
            quantity=Decimal(1),
            trigger_type="price_below",
            trigger_params={"threshold": "10"},
        )
        draft = f"?draft={open_draft(user=user, draft=asked, now=now).pk}"
        steps = ("action", "target", "trigger", "condition", "limits", "review")
        self.paths = {
            "dashboard": "/",
            "portfolio": "/portfolio",
            "stock": f"/stocks/{held[0]}",
            "log": "/log",
            "log, of a symbol": f"/log?symbol={rule.symbol}",
            "log, what was refused": "/log?status=failed",
            "actions": "/actions",
            "actions, the nearest": "/actions?sort=nearest",
            "actions, searched": "/actions?text=S0001",
            "actions, the last page": f"/actions?page={-(-rules // 25)}",
            "action": f"/actions/{rule.pk}",
            **{f"wizard, {step}": f"/actions/new/{step}{draft}" for step in steps},
        }
        self._client = Client(headers={"host": "localhost"})
        self._client.force_login(user)

    def measure(self, path: str, rounds: int) -> dict[str, Any]:
        from django.db import connection  # noqa: PLC0415
        from django.test.utils import CaptureQueriesContext  # noqa: PLC0415

        html = self._get(path)  # the first one reads the templates
        with CaptureQueriesContext(connection) as queries:
            self._get(path)
            asked = len(connection.queries_log) - queries.initial_queries
        took, computed = [], []
        for _ in range(rounds):
            begun, counted = perf_counter(), process_time()
            self._get(path)
            took.append(perf_counter() - begun)
            computed.append(process_time() - counted)
        return {
            "p50_ms": percentile_ms(took, 50),
            "p95_ms": percentile_ms(took, 95),
            "p50_computed_ms": percentile_ms(computed, 50),
            "queries": asked,
            "html_bytes": len(html),
            "first_load_bytes": len(html) + sum(map(_sent, set(_FETCHED.findall(html.decode())))),
        }

    def _get(self, path: str) -> bytes:
        answer = self._client.get(path)
        if answer.status_code != 200:
            raise RuntimeError(f"{path} was answered with {answer.status_code}.")
        return answer.content


def _sent(url: str) -> int:
    """The bytes of a file as it is sent; of the library that draws charts none."""
    from django.contrib.staticfiles import finders  # noqa: PLC0415

    if _CHARTS in url:
        return 0
    found = finders.find(url.removeprefix("/static/"))
    if not isinstance(found, str):
        raise RuntimeError(f"There is no {url}.")
    return len(gzip.compress(Path(found).read_bytes()))


def table(figures: Mapping[str, Any]) -> str:
    """The figures for people."""
    lines = [
        f"{'':24}{'p50':>10}{'p95':>10}{'computed':>10}{'queries':>9}{'first load':>12}",
        *(
            f"{name:24}{page['p50_ms']:>7.1f} ms{page['p95_ms']:>7.1f} ms"
            f"{page['p50_computed_ms']:>7.1f} ms{page['queries']:>9}"
            f"{page['first_load_bytes'] / 1000:>9.1f} KB"
            for name, page in figures["pages"].items()
        ),
    ]
    return (
        f"A user with {figures['rules']:,} rules and {figures['executions']:,} executions; "
        f"{figures['rounds']} times each\n{machine_in_words(figures['machine'])}\n\n"
        + "\n".join(lines)
        + "\n"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.pages", description=__doc__)
    parser.add_argument("--rules", type=int, default=RULES, help="in thousands, of the user")
    parser.add_argument("--executions", type=int, default=EXECUTIONS, help="of these rules")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each is asked for")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    if min(chosen.rules, chosen.executions, chosen.rounds) < 1:
        parser.error("each number must be 1 or more")
    figures = run(rules=chosen.rules, executions=chosen.executions, rounds=chosen.rounds)
    print(json.dumps(figures, indent=2) if chosen.json else table(figures))


if __name__ == "__main__":
    run_until_stopped(main)
