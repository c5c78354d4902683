"""What the API serves: `python -m bench.api --rules 1000000 --json`.

gunicorn serves on loopback, wrk asks (Debian: apt install wrk). The list is 50 rows of a user who
has 10,000 rules, in a table of 1,000 and of `--rules`; beside it, in the same run and in turns, a
bare ModelViewSet lists the same rows.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import Request, urlopen

from bench.database import throw_away_database
from bench.machine import machine, machine_in_words
from bench.serving import served
from bench.terminal import run_until_stopped, say

SMALLEST = 1_000
MINE = 10_000  # rules of the user who asks
PAGE = 50
SYMBOLS = 1_000
CONNECTIONS = 8
LIST = f"/api/actions?page_size={PAGE}"
BARE = f"/bare?page_size={PAGE}"
_WRK = shutil.which("wrk") or ""
_A_DAY = timedelta(days=1)
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}

# One user's, who has at most MINE of them, made one after the other.
_TO_ONE = """
UPDATE actions SET user_id = %s, created_at = created_at + row.n * interval '1 second'
  FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM actions LIMIT %s) AS row
 WHERE actions.id = row.id
"""

_POST = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = [[{body}]]
"""


class Served(NamedTuple):
    """Requests a second, and how long half, and 99 of 100, took at most, in milliseconds."""

    rps: float
    p50_ms: float
    p99_ms: float


def run(
    *, rules: int, seconds: float = 10, rounds: int = 3, workers: int = 1, fsync: bool = True
) -> dict[str, Any]:
    """The figures, as `--json` prints them."""
    if not _WRK:
        sys.exit("wrk is needed: sudo apt-get install wrk")
    with throw_away_database(fsync=fsync):
        # Both need Django to be set up.
        from bench.population import Population  # noqa: PLC0415

        population = Population(symbols=min(SYMBOLS, rules), at=datetime.now(UTC))
        smallest = min(SMALLEST, rules)
        say(f"{smallest:,} rules ...")
        population.grow(smallest)
        ask = _Asking(seconds)
        with served("bench.api_settings", *_gunicorn(workers)) as (url, _):
            at_first = [ask(url, LIST).rps for _ in range(rounds)]
        say(f"{rules:,} rules: making them ...")
        population.grow(rules)
        ask.take_over()
        with served("bench.api_settings", *_gunicorn(workers)) as (url, _):
            figures = _measure(ask, url, rounds)
        return figures | {
            "growth": max(at_first) / figures["list_rps"],
            "rules": rules,
            "workers": workers,
            "machine": machine(),
        }


def _measure(ask: "_Asking", url: str, rounds: int) -> dict[str, Any]:
    ours, bare = [], []
    for number in range(rounds):  # in turn, so that the machine's moods are shared
        say(f"round {number + 1} of {rounds} ...")
        ours.append(ask(url, LIST))
        bare.append(ask(url, BARE))
    detail = ask(url, f"/api/actions/{ask.rule}")
    created = ask(url, "/api/actions", body=_NEW)
    best = max(ours, key=lambda served: served.rps)
    return {
        "list_rps": best.rps,
        "bare_list_rps": max(served.rps for served in bare),
        "ratio_to_bare": best.rps / max(served.rps for served in bare),
        "detail_rps": detail.rps,
        "create_rps": created.rps,
        "p50_ms": best.p50_ms,
        "p99_ms": best.p99_ms,
        "list_bytes": ask.size(url, LIST),
    }


_NEW = json.dumps(
    {
        "action_type": "NOTIFY",
        "symbol": "S00000",
        "trigger_type": "price_above",
        "trigger_params": {"threshold": "150"},
    }
)


class _Asking:
    """Asks as one user, who has up to MINE rules; of Django only what is set up by now."""

    def __init__(self, seconds: float) -> None:
        from rest_framework_simplejwt.tokens import RefreshToken  # noqa: PLC0415

        from accounts.models import User  # noqa: PLC0415

        self._seconds = seconds
        self._user = User.objects.create(username="asking")
        token = RefreshToken.for_user(self._user).access_token
        token.set_exp(lifetime=_A_DAY)
        self._token = str(token)
        self.take_over()

    def take_over(self) -> None:
        """Makes rules theirs that were others'."""
        from django.db import connection  # noqa: PLC0415

        from actions.models import Action  # noqa: PLC0415

        with connection.cursor() as cursor:
            cursor.execute(_TO_ONE, [self._user.pk, MINE])
            cursor.execute("VACUUM (ANALYZE) actions")
        self.rule = Action.objects.filter(user=self._user).values_list("pk", flat=True)[0]

    def __call__(self, url: str, path: str, *, body: str = "") -> Served:
        with tempfile.TemporaryDirectory() as folder:
            script = Path(folder) / "post.lua"
            script.write_text(_POST.format(body=body))
            said = subprocess.run(
                [
                    _WRK,
                    "--latency",
                    "-t1",
                    f"-c{CONNECTIONS}",
                    f"-d{self._seconds:g}s",
                    f"-HAuthorization: Bearer {self._token}",
                    *([f"-s{script}"] if body else []),
                    f"{url}{path}",
                ],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        if "Non-2xx" in said or "Socket errors" in said:
            raise RuntimeError(f"{path} was not served:\n{said}")
        return _served(said)

    def size(self, url: str, path: str) -> int:
        """The bytes of an answer."""
        asked = Request(f"{url}{path}", headers={"Authorization": f"Bearer {self._token}"})  # noqa: S310
        with urlopen(asked) as answer:  # noqa: S310 -- our own server
            return len(answer.read())


def _served(said: str) -> Served:
    """What wrk found."""

    def milliseconds(percent: int) -> float:
        found = re.search(rf"\b{percent}%\s+([\d.]+)(us|ms|s)\b", said)
        assert found is not None, said
        return float(found[1]) * _UNITS[found[2]]

    rps = re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert rps is not None, said
    return Served(float(rps[1]), milliseconds(50), milliseconds(99))


def _gunicorn(workers: int) -> Sequence[str]:
    return (
        *(f"--workers={workers}", "--worker-class=gthread", "--threads=1"),
        *("--keep-alive=60", "--log-level=error"),
    )


def table(figures: Mapping[str, Any]) -> str:
    """The figures for people."""
    return f"""\
{PAGE} of the {MINE:,} rules of a user, in a table of {figures["rules"]:,}; gunicorn with \
{figures["workers"]} worker, {CONNECTIONS} connections
{machine_in_words(figures["machine"])}

list                   {figures["list_rps"]:>8,.0f}/s, {figures["list_bytes"]:,} bytes each
a bare ModelViewSet's  {figures["bare_list_rps"]:>8,.0f}/s
compared               {figures["ratio_to_bare"]:>8.1f} x
list, half of them     {figures["p50_ms"]:>8.2f} ms
list, 99 of 100        {figures["p99_ms"]:>8.2f} ms
growth from {SMALLEST:,}      {figures["growth"]:>8.2f} x
detail                 {figures["detail_rps"]:>8,.0f}/s
create                 {figures["create_rps"]:>8,.0f}/s
"""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.api", description=__doc__)
    parser.add_argument("--rules", type=int, default=1_000_000, help="in the table")
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="the best of which counts")
    parser.add_argument("--workers", type=int, default=1, help="of gunicorn")
    parser.add_argument("--no-fsync", action="store_true", help="let the disk forget")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    if min(chosen.rules, chosen.seconds, chosen.rounds, chosen.workers) < 1:
        parser.error("each number must be 1 or more")
    figures = run(
        rules=chosen.rules,
        seconds=chosen.seconds,
        rounds=chosen.rounds,
        workers=chosen.workers,
        fsync=not chosen.no_fsync,
    )
    print(json.dumps(figures, indent=2) if chosen.json else table(figures))


if __name__ == "__main__":
    run_until_stopped(main)
