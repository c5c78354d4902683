"""The bench measures what there would be, says what it found, and leaves nothing behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import psutil
import pytest

from actions.rebuild import rebuild_watches
from bench import api, backtest_ours, backtest_tables, bulk, fires, latency, soak
from bench.feed import PRICES
from bench.population import Population
from bench.tick import sizes_up_to, table
from bench.timing import percentile_ms
from market.services import accept_quotes
from tests.benches import prepared
from tests.conftest import Feed
from tradingrules.embedded.cluster import Cluster
from tradingrules.embedded.sockets import temporary_directory

ROOT = Path(__file__).parents[2]
PATIENCE = 600  # seconds, on a machine that has other things to do
SMALL = ("--rules=80", "--portfolios=10", "--rounds=1")
FEW = ("--rules=400", "--symbols=40", "--interval=0.2", "--no-fsync")
SHORT = ("--rules=2000", "--seconds=1", "--rounds=1", "--no-fsync")
TINY = ("--rules=1000", "--symbols=50", "--ticks=2", "--naive-seconds=0.1", "--no-fsync")


def test_the_watches_of_its_rules_are_those_that_the_triggers_ask_for(
    db: None, feed: Feed, now: datetime
) -> None:
    population = Population(symbols=20, at=now)
    population.grow(2000)
    for symbol, price in population.prices.items():
        feed.says(symbol, price, now)
    accept_quotes(samples=feed.samples.values(), now=now, max_age=timedelta(seconds=60))
    rebuilt = rebuild_watches(now=now, write=False)
    assert (rebuilt.rules, rebuilt.differing) == (2000, 0)


def test_it_measures_at_each_power_of_ten() -> None:
    assert sizes_up_to(1_000_000) == [10_000, 100_000, 1_000_000]
    assert sizes_up_to(25_000) == [10_000, 25_000]
    assert sizes_up_to(500) == [500]


def run_of(module: str, *arguments: str) -> subprocess.Popen[str]:
    """One whose tables were made before."""
    return run("-m", "tests.benches", str(prepared()), module, *arguments)


def run(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
    )


def left_by(bench: subprocess.Popen[str]) -> list[Path]:
    return list(temporary_directory().glob(f"tradingrules-bench-{bench.pid}-*"))


def at_work_for(bench: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes that ask the feed of this bench, whoever has started them."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if f"tradingrules-bench-{bench.pid}-" in process.environ().get(PRICES, ""):
                found.append(process)
    return found


def test_it_says_what_it_found_and_leaves_nothing_behind() -> None:
    """With tables that it makes itself, as every bench does."""
    bench = run("-m", "bench.tick", *TINY, "--trailing=100", "--json")
    said, complained = bench.communicate(timeout=PATIENCE)
    assert bench.returncode == 0, complained
    figures = json.loads(said)
    assert figures["sizes"] == [1000]
    assert [len(figures[key]) for key in ("quiet_ms", "crossing_ms", "woken")] == [1, 1, 1]
    for key in ("match_us_per_quote", "naive_rules_per_s", "ratio_to_naive", "growth", "peak_mb"):
        assert figures[key] > 0, key
    for key in ("new_high_ms", "us_per_rule", "alone_us_per_rule"):
        assert figures[key] > 0, key
    assert {"cpu", "cores", "python", "postgres"} <= figures["machine"].keys()
    assert "1,000" in table(figures)
    assert left_by(bench) == []


@pytest.mark.slow
def test_the_admin_is_measured() -> None:
    bench = run_of("bench.admin", "--rules=1000", "--rounds=1", "--json")
    said, complained = bench.communicate(timeout=PATIENCE)
    assert bench.returncode == 0, complained
    figures = json.loads(said)
    assert {"first page", "a rule", "rules, by e-mail"} <= figures["pages"].keys()
    assert figures["naive"].keys() <= figures["pages"].keys()
    for name, page in figures["pages"].items():
        assert 0 < page["p50_ms"] <= page["p95_ms"], name
        assert 0 < page["queries"] <= 20, name
    assert left_by(bench) == []


@pytest.mark.slow
def test_the_pages_are_measured() -> None:
    few = ("--rules=1000", "--executions=2000", "--rounds=2")
    bench = run_of("bench.pages", *few, "--json")
    said, complained = bench.communicate(timeout=PATIENCE)
    assert bench.returncode == 0, complained
    pages = json.loads(said)["pages"]
    assert {"dashboard", "stock", "log", "actions", "action", "wizard, review"} <= pages.keys()
    for name, page in pages.items():
        assert 0 < page["p50_ms"] <= page["p95_ms"], name
        assert page["queries"] > 0, name
        assert page["html_bytes"] < page["first_load_bytes"], name
    assert left_by(bench) == []


def test_an_import_is_measured_beside_the_naive_way() -> None:
    bench = run_of("bench.bulk", "--rules=300", "--symbols=20", "--naive=10", "--json")
    said, complained = bench.communicate(timeout=PATIENCE)
    assert bench.returncode == 0, complained
    figures = json.loads(said)
    assert figures["rules"] == 300
    assert figures["import_s"] >= figures["check_s"] > 0
    for key in ("apply_s", "again_s", "export_s", "import_peak_mb", "naive_rules_per_s"):
        assert figures[key] > 0, key
    assert "300 rules" in bulk.table(figures)
    assert left_by(bench) == []


@pytest.mark.slow
def test_a_storm_is_measured_beside_its_floors() -> None:
    bench = run_of("bench.fires", *SMALL, "--no-fsync", "--json")
    said, complained = bench.communicate(timeout=PATIENCE)
    assert bench.returncode == 0, complained
    figures = json.loads(said)
    for key in (
        "trades_per_s",
        "two_evaluators_per_s",
        "floor_single_per_s",
        "floor_batched_per_s",
        "lone_fire_ms",
    ):
        assert figures[key] > 0, key
    assert "80 rules of 10 portfolios" in fires.table(figures)


@pytest.mark.slow
def test_the_way_from_a_price_to_its_trade_is_measured_with_real_processes() -> None:
    bench = run_of("bench.latency", *FEW, "--samples=3", "--json")
    said, complained = bench.communicate(timeout=PATIENCE)
    assert bench.returncode == 0, complained
    figures = json.loads(said)
    for way in ("evaluator", "cluster", "stream"):
        took = figures[way]
        assert 0 < took["p50_ms"] <= took["p99_ms"], way
        assert 0 < took["engine_p50_ms"] <= took["engine_p99_ms"], way
    assert (figures["rules"], figures["symbols"]) == (400, 40)
    assert (figures["interval_s"], figures["samples"]) == (0.2, 3)
    assert "400 rules over 40 symbols" in latency.table(figures)
    assert left_by(bench) == []
    assert at_work_for(bench) == []


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not on the PATH")
def test_the_api_is_measured_beside_a_bare_viewset() -> None:
    bench = run_of("bench.api", *SHORT, "--json")
    said, complained = bench.communicate(timeout=PATIENCE)
    assert bench.returncode == 0, complained
    figures = json.loads(said)
    for key in ("list_rps", "bare_list_rps", "detail_rps", "create_rps", "growth"):
        assert figures[key] > 0, key
    assert 0 < figures["p50_ms"] <= figures["p99_ms"]
    assert "in a table of 2,000" in api.table(figures)
    assert left_by(bench) == []


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_evaluator_outlives_the_bench_that_started_it(how: signal.Signals) -> None:
    bench = run_of("bench.latency", *FEW, "--samples=5", "--interval=2")
    try:
        wait_until(lambda: len(at_work_for(bench)) > 1)  # the leash, and who is on it
        bench.send_signal(how)
        bench.communicate(timeout=PATIENCE)
        wait_until(lambda: at_work_for(bench) == [])
        if how != signal.SIGKILL:
            assert left_by(bench) == []
    finally:
        bench.kill()
        bench.communicate()
        for folder in left_by(bench):  # nobody can clear up after SIGKILL
            Cluster(folder / "postgres", fsync=False).stop(at_once=True)
            shutil.rmtree(folder)


def test_a_backtest_is_measured_without_its_peers_too() -> None:
    bench = run("-m", "bench.backtest", "--sizes=300", "--rounds=1", "--alone", "--json")
    said, complained = bench.communicate(timeout=PATIENCE)
    assert bench.returncode == 0, complained
    figures = json.loads(said)
    assert [each["kind"] for each in figures["measured"]] == [*backtest_ours.KINDS]
    for each in figures["measured"]:
        assert each["bars"] == 300
        assert each["fires"] > 1
        assert each["seconds"]["ours, all fires"][0] > 0
        assert each["mbar_sets_per_s"]["sweep of ours"] > 0
        assert all("ours" in name for name in each["seconds"])
    assert "300 bars: ours, round 1 of 1" in complained
    tables = backtest_tables.tables(figures)
    assert tables.count("| trailing stop, 5 % | 300 | ") == 4
    assert "vectorbt" not in tables


def test_what_a_backtest_takes_is_told_beside_its_peers() -> None:
    measured = {
        "kind": "price_below",
        "bars": 100_000,
        "seconds": {
            "ours, all fires": [0.0004, 0.0005],
            "vectorbt rust": [0.0207, 0.03],
            "process of ours, all fires": [0.61, 0.7],
            "process of vectorbt rust": [1.234, 2],
            "sweep of ours": [0.012, 0.013],
        },
        "mbar_sets_per_s": {"sweep of ours": 8333.3},
        "fires": 1222,
        "differing_bars": {"vectorbt rust": 0, "backtesting.py": 1},
    }
    machine = {"cpu": "Z80", "cores": 1, "load": 0, "python": "3.13"}
    figures = {"rounds": 3, "machine": machine, "took_s": 9.6, "measured": [measured]}
    assert backtest_tables.tables(figures).splitlines() == [
        "Measured on Z80, 1 cores (load 0.0), Python 3.13, in 10 s; rounds: 3.",
        "",
        "| one rule, ms | bars | all firings | vectorbt, Rust |",
        "|---|---:|---:|---:|",
        "| price below | 100,000 | 0.40 | 20.70 |",
        "",
        "| 1,000 settings, ms (million bar-sets/s) | bars | ours |",
        "|---|---:|---:|",
        "| price below | 100,000 | 12.00 (8,333) |",
        "",
        "| process start to result, s | bars | ours, all firings | vectorbt, Rust |",
        "|---|---:|---:|---:|",
        "| price below | 100,000 | 0.61 | 1.23 |",
        "",
        "| firings | bars | ours | vectorbt, Rust: other bars | backtesting.py: other bars |",
        "|---|---:|---:|---:|---:|",
        "| price below | 100,000 | 1,222 | 0 | 1 |",
    ]


def wait_until(condition: Callable[[], bool], *, seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not come about within {seconds} s"
        time.sleep(0.1)


def test_it_asks_for_no_more_trades_than_there_are_symbols(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        latency.main(["--symbols=40", "--samples=6"])
    assert "at most an eighth of --rules and of --symbols" in capsys.readouterr().err


def test_a_percentile_is_one_of_what_was_measured() -> None:
    seconds = [n / 1000 for n in range(200, 0, -1)]
    assert (percentile_ms(seconds, 50), percentile_ms(seconds, 99)) == (100, 198)
    assert (percentile_ms(seconds[:3], 50), percentile_ms(seconds[:3], 99)) == (199, 200)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_whoever_stops_it_finds_nothing_left(how: signal.Signals) -> None:
    bench = run_of("bench.tick", *TINY, "--naive-seconds=60")
    assert bench.stderr is not None
    assert "making them" in bench.stderr.readline()
    assert left_by(bench) != []
    bench.send_signal(how)
    try:
        bench.communicate(timeout=PATIENCE)
    finally:
        bench.kill()
        bench.communicate()
    assert bench.returncode not in {0, None}
    assert left_by(bench) == []


@pytest.mark.slow
def test_a_soak_kills_goes_on_and_finds_the_books_in_order() -> None:
    few = ("--rules=2000", "--symbols=50", "--interval=0.5", "--visitors=1")
    soon = ("--minutes=0.2", "--kill-every=4", "--warm-up=20", "--calm=2")
    bench = run_of("bench.soak", *soon, *few, "--no-fsync", "--json")
    said, complained = bench.communicate(timeout=PATIENCE)
    assert bench.returncode == 0, complained
    figures = json.loads(said)
    assert sum(figures["killed"].values()) >= 2
    assert figures["before"]["requests"] >= 20
    assert figures["ticks"]["count"] > 5
    assert figures["answers"]["requests"] > 10
    assert (figures["ledger"], figures["fired_twice"]) == ("holds", 0)
    assert figures["memory"].keys() == {"evaluator", "postgres", "web", "worker"}
    assert "2,000 rules over 50 symbols" in soak.table(figures)
    assert left_by(bench) == []
    assert at_work_for(bench) == []
