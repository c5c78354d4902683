"""The demonstration, run as a person runs it, on a database of its own."""

import fcntl
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator

import psutil
import psycopg
import pytest
from django.conf import settings

from tests.postgres import run_cluster
from tradingrules.embedded import processes

pytestmark = pytest.mark.slow

PATIENCE = 120  # seconds, on a machine that has other things to do
DATABASE = f"demo_run_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"


@pytest.fixture
def _no_other_begins() -> Iterator[None]:
    """Each takes the first free port, and would take the same as one that begins beside it."""
    with (run_cluster().directory.parent / "demo.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        yield


@pytest.fixture
def environment(_no_other_begins: None) -> Iterator[dict[str, str]]:
    """A database that nothing else uses, and the variables that lead to it."""
    run_cluster().ensure_running()
    admin = psycopg.connect(run_cluster().url("postgres"), autocommit=True)
    admin.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
    admin.execute(f"CREATE DATABASE {DATABASE}")
    yield os.environ | {
        "DATABASE_URL": run_cluster().url(DATABASE),
        "DEMO_PASSWORD": "let-me-in",
        "PYTHONUNBUFFERED": "1",
    }
    admin.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")
    admin.close()


def demo(environment: dict[str, str], *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "manage.py", "demo", *arguments],
        cwd=settings.BASE_DIR,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_rules_fire_and_the_second_run_fires_them_again(environment: dict[str, str]) -> None:
    for run in ("first", "second"):
        process = demo(environment, "--until-executions", "3")
        output, _ = process.communicate(timeout=400)
        assert process.returncode == 0, f"{run} run:\n{output}"
        assert "sign in as demo, password let-me-in" in output
        assert "Sold 10 AAPL at $" in output
        assert "3 executions, as asked." in output
        assert output.rstrip().endswith("Ended.")
    verified = subprocess.run(
        [sys.executable, "manage.py", "verify_ledger"],
        cwd=settings.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert verified.stdout.startswith("ledger holds: 1 portfolio")


def test_ctrl_c_ends_everything_that_it_started_and_nothing_else(
    environment: dict[str, str],
) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
    process = demo(environment)
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "Open http://" in line:
            break
    found = re.search(r"http://127\.0\.0\.1:(\d+)/", lines[-1])
    assert found, lines
    wait_for_page(found.group(0))
    children = wait_for_children(process.pid)

    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert "Ended." in output
    assert processes.wait_until_gone(children, seconds=60) == []
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


def wait_for_children(pid: int) -> list[psutil.Process]:
    """The web server, the worker, the leash, and the cluster with its sentinel's four processes."""
    deadline = time.monotonic() + PATIENCE
    while len(children := psutil.Process(pid).children(recursive=True)) < 9:
        assert time.monotonic() < deadline, f"only {children} were started"
        time.sleep(0.2)
    return children


def wait_for_page(address: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(address, timeout=60) as answer:  # noqa: S310 - our own
                assert b"Sign in" in answer.read()
                return
        except OSError:
            assert time.monotonic() < deadline, f"{address} did not answer"
            time.sleep(0.2)


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"MARKET_PROVIDER": "twelvemonkeys"}, "MARKET_PROVIDER='twelvemonkeys'"),
        (
            {"DEBUG": "false", "SECRET_KEY": "x" * 60, "ALLOWED_HOSTS": "localhost"},
            "Set DEBUG=true.",
        ),
    ],
)
def test_it_says_in_one_line_why_it_does_not_run(
    environment: dict[str, str], variables: dict[str, str], words: str
) -> None:
    process = demo(environment | variables)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert words in output
    assert "Traceback" not in output
