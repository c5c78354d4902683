"""Measures importing and exporting rules: `python -m bench.bulk --rules 100000 --json`.

A CSV file of rules of several kinds over 5,000 symbols is looked at, applied, and looked at again,
as a worker of the cluster does it: in a process of its own, whose memory is measured; then all of
them are exported. Beside it the naive way: the service that creates a rule, called for some of the
same rules one after the other, in one transaction.
"""

import argparse
import csv
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from bench.database import throw_away_database
from bench.machine import machine, machine_in_words, peak_mb
from bench.terminal import run_until_stopped, say

RULES, SYMBOLS, NAIVE = 100_000, 5_000, 1_000
EMAIL = "bench@example.org"
HEADER = (
    *("external_id", "action_type", "symbol", "quantity", "trigger_type", "trigger_params"),
    *("max_executions", "notes"),
)
# A trigger, the parameter that is different in each rule, its least value, and its others.
_KINDS: tuple[tuple[str, str, int, Mapping[str, str]], ...] = (
    ("price_below", "threshold", 90, {}),
    ("price_above", "threshold", 180, {}),
    ("trailing_stop", "percent", 5, {}),
    ("change_pct", "change", 3, {"direction": "up", "window": "1d"}),
)


def rows(count: int, symbols: int) -> Iterator[tuple[str, ...]]:
    for n in range(count):
        trigger_type, name, least, more = _KINDS[n % len(_KINDS)]
        symbol = f"S{n % symbols:05d}"
        text = json.dumps({name: str(least + Decimal(n % 997) / 100), **more})
        yield f"rule-{n}", "BUY", symbol, "10", trigger_type, text, "1", f"Number {n}."


def file_of(count: int, symbols: int) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(HEADER)
    writer.writerows(rows(count, symbols))
    return text.getvalue().encode()


def run(*, rules: int = RULES, symbols: int = SYMBOLS, naive: int = NAIVE) -> dict[str, Any]:
    """The figures, as `--json` prints them."""
    with throw_away_database(fsync=False), tempfile.TemporaryDirectory() as folder:
        _populate(symbols)
        path = Path(folder) / "rules.csv"
        path.write_bytes(file_of(rules, symbols))
        say(f"importing {rules:,} rules ...")
        imported = _in_a_process("import", path)
        say("exporting them ...")
        exported = _in_a_process("export", path)
        say(f"creating {naive:,} one by one ...")
        naive_rules_per_s = _naive(naive, symbols)
        rules_per_s = rules / imported["import_s"]
        return {
            "rules": rules,
            "file_mb": round(path.stat().st_size / 1e6, 1),
            **imported,
            **exported,
            "rules_per_s": round(rules_per_s),
            "naive_rules_per_s": round(naive_rules_per_s),
            "ratio_to_naive": round(rules_per_s / naive_rules_per_s, 1),
            "machine": machine(),
        }


def _populate(symbols: int) -> None:
    """The symbols with a price each, and a user with a portfolio."""
    from accounts.models import User  # noqa: PLC0415 -- Django is set up by now
    from market.models import Instrument, Quote  # noqa: PLC0415
    from portfolios.services import primary_portfolio  # noqa: PLC0415

    names = [f"S{n:05d}" for n in range(symbols)]
    now = datetime.now(UTC)
    Instrument.objects.bulk_create(Instrument(symbol=name) for name in names)
    Quote.objects.bulk_create(
        Quote(instrument_id=name, price=Decimal(120), as_of=now, received_at=now) for name in names
    )
    primary_portfolio(user=User.objects.create(username="bench", email=EMAIL))


def _in_a_process(step: str, path: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.bulk", "--step", step, "--file", str(path)],
        stdout=subprocess.PIPE,
        check=True,
    )
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def _import(path: Path) -> dict[str, float]:
    from accounts.models import User  # noqa: PLC0415
    from actions.bulk.imports import (  # noqa: PLC0415
        apply_import,
        check_import,
        confirm_import,
        open_import,
    )

    user, now = User.objects.get(email=EMAIL), datetime.now(UTC)

    def checked() -> Any:
        held = open_import(user=user, content=path.read_bytes(), now=now)
        return check_import(import_id=held.pk, now=now)

    begun, cpu = perf_counter(), process_time()
    held = checked()
    looked = perf_counter()
    assert held.state == "checked", held.shown
    confirm_import(user=user, import_id=held.pk, now=now)
    held = apply_import(import_id=held.pk, now=now)
    done, cpu = perf_counter(), process_time() - cpu
    assert held.state == "done", held.note
    again = checked()
    assert again.counts == {"unchanged": held.rules}, again.counts
    return {
        "check_s": round(looked - begun, 2),
        "apply_s": round(done - looked, 2),
        "import_s": round(done - begun, 2),
        "import_cpu_s": round(cpu, 2),
        "again_s": round(perf_counter() - done, 2),
        "import_peak_mb": peak_mb(),
    }


def _export() -> dict[str, float]:
    from accounts.models import User  # noqa: PLC0415
    from actions.bulk.writing import written  # noqa: PLC0415
    from actions.models import Action  # noqa: PLC0415

    user = User.objects.get(email=EMAIL)
    begun = perf_counter()
    size = sum(map(len, written(Action.objects.filter(user=user), form="csv", zone=user.zone)))
    return {
        "export_s": round(perf_counter() - begun, 2),
        "export_mb": round(size / 1e6, 1),
        "export_peak_mb": peak_mb(),
    }


def _naive(count: int, symbols: int) -> float:
    """Rules a second that the service creates, one after the other."""
    from django.db import transaction  # noqa: PLC0415

    from accounts.models import User  # noqa: PLC0415
    from actions.services import Draft, create_action  # noqa: PLC0415

    user, now = User.objects.get(email=EMAIL), datetime.now(UTC)
    begun = perf_counter()
    with transaction.atomic():
        for name, action_type, symbol, quantity, trigger_type, params, _, notes in rows(
            count, symbols
        ):
            draft = Draft(
                action_type=action_type,
                symbol=symbol,
                quantity=Decimal(quantity),
                trigger_type=trigger_type,
                trigger_params=json.loads(params),
                notes=notes,
                external_id=f"naive-{name}",
            )
            create_action(user=user, draft=draft, now=now)
    return count / (perf_counter() - begun)


def table(figures: Mapping[str, Any]) -> str:
    """The figures for people."""
    return "\n".join(
        (
            f"{figures['rules']:,} rules, {figures['file_mb']} MB of CSV",
            f"looked at            {figures['check_s']:>8.1f} s",
            f"applied              {figures['apply_s']:>8.1f} s",
            f"imported, together   {figures['import_s']:>8.1f} s"
            f"  {figures['import_cpu_s']} s of them at work in Python, "
            f"at most {figures['import_peak_mb']:.0f} MB of memory",
            f"looked at again      {figures['again_s']:>8.1f} s  (nothing is new)",
            f"exported             {figures['export_s']:>8.1f} s"
            f"  at most {figures['export_peak_mb']:.0f} MB of memory",
            f"rules a second       {figures['rules_per_s']:>8,}"
            f"  one by one: {figures['naive_rules_per_s']:,} ({figures['ratio_to_naive']} x)",
            machine_in_words(figures["machine"]),
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures importing and exporting rules.")
    parser.add_argument("--rules", type=int, default=RULES)
    parser.add_argument("--symbols", type=int, default=SYMBOLS)
    parser.add_argument("--naive", type=int, default=NAIVE, help="How many are made one by one.")
    parser.add_argument("--json", action="store_true", help="Print the figures as JSON.")
    parser.add_argument("--step", choices=("import", "export"), help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        import django  # noqa: PLC0415 -- only in the process that a run has started

        django.setup()
        print(json.dumps(_import(options.file) if options.step == "import" else _export()))
        return
    figures = run(rules=options.rules, symbols=options.symbols, naive=options.naive)
    print(json.dumps(figures) if options.json else table(figures))


if __name__ == "__main__":
    run_until_stopped(main)
