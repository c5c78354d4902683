"""The page on the API tells the truth: its session is run, command by command."""

import os
import re
import subprocess
from decimal import Decimal
from itertools import takewhile
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from actions.engine import take_in
from market.services import follow
from portfolios.services import deposit, primary_portfolio
from tests.conftest import Feed, list_instruments
from tests.factories import PASSWORD, UserFactory

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
END = "--- end of the command ---"
CHANGING = (
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID"),
    (r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|\+00:00)", "INSTANT"),
    (r"\b[0-9a-f]{32}\b", "VERSION"),
)


def session() -> list[tuple[str, str]]:
    """The page's commands, each with what it is said to print."""
    blocks = re.findall(r"```console\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return [command(part) for part in re.split(r"^\$ ", "".join(blocks), flags=re.M)[1:]]


def command(part: str) -> tuple[str, str]:
    """A command, which goes on where a line begins with >, and what it prints."""
    first, *others = part.splitlines()
    continued = list(takewhile(lambda line: line.startswith(">"), others))
    printed = others[len(continued) :]
    return "\n".join(
        [first, *(line.removeprefix(">").removeprefix(" ") for line in continued)]
    ), "\n".join(printed)


def alike(text: str) -> str:
    for pattern, word in CHANGING:
        text = re.sub(pattern, word, text)
    return text.strip()


@pytest.mark.django_db(transaction=True)
def test_each_command_of_the_page_prints_what_the_page_says(
    live_server: LiveServer, feed: Feed, tmp_path: Path
) -> None:
    now = timezone.now()
    list_instruments(["AAPL"])
    owner = UserFactory.create(username="ada")
    deposit(portfolio=primary_portfolio(user=owner), amount=Decimal(10_000), at=now)
    feed.says("AAPL", "152.30", now)
    follow(symbols=["AAPL"])
    take_in([feed.samples["AAPL"]], now)
    commands = session()
    assert len(commands) > 5
    script = "\n".join(f"{asked}\necho; echo '{END}'" for asked, _ in commands)
    done = subprocess.run(
        ["bash", "-u"],  # noqa: S607 -- wherever it is
        input=script,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=240,
        check=False,
        env={"PATH": os.environ["PATH"], "API": f"{live_server.url}/api", "PASSWORD": PASSWORD},
    )
    printed = done.stdout.split(END)
    for (asked, expected), actual in zip(commands, printed, strict=False):
        assert alike(actual) == alike(expected), f"$ {asked}\n{actual}{done.stderr}"
    assert len(printed) == len(commands) + 1
