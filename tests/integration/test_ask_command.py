"""manage.py ask prints what is understood, and creates nothing."""

import json
import os
import subprocess
import sys
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from actions.models import Action
from actions.services import Draft, create_action
from tests.factories import OPENED_AT, InstrumentFactory, PortfolioFactory, UserFactory

ROOT = Path(__file__).resolve().parents[2]
NOW = "2026-03-04T15:00:00Z"
NOWHERE = {
    "DEBUG": "false",
    "ALLOWED_HOSTS": "rules.example.org",
    "SECRET_KEY": "x" * 80 + "0123456789abcdef",
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
}


def asked(*arguments: str, lines: str = "") -> "subprocess.CompletedProcess[str]":
    """The command in a process of its own, whose database does not answer."""
    return subprocess.run(
        [sys.executable, "manage.py", "ask", *arguments, "--now", NOW],
        cwd=ROOT,
        input=lines,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env=os.environ | NOWHERE,
    )


def test_it_answers_line_by_line_without_a_database_and_a_bad_line_is_no_crash() -> None:
    lines = ['"sell 10 AAPL below 150 by Friday"', "no json", "[1]", '"tell me if NVDA hits 1000"']
    done = asked("-", "--json", "--price", "NVDA=900", lines="\n".join(lines))
    assert done.returncode == 0, done.stderr
    sell, bad, worse, tell = (json.loads(line) for line in done.stdout.splitlines())
    assert sell["intent"] == "create_action"
    assert sell["action"]["valid_until"] == "2026-03-06T21:00:00Z"
    assert set(sell) == {"intent", "action", "args", "text"}
    assert "JSON string" in bad["error"]
    assert "JSON string" in worse["error"]
    assert tell["action"]["trigger_type"] == "price_above"


def test_for_people_it_prints_the_sentence() -> None:
    done = asked("sell 10 AAPL below 150")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(
        "create_action: Sell 10 AAPL when the price is at or below $150.00, once."
    )


@pytest.mark.django_db
def test_with_a_user_their_rules_holdings_and_clocks_count_and_nothing_is_created() -> None:
    user = UserFactory.create(username="ada", time_zone="Europe/Berlin")
    PortfolioFactory.create(user=user, deposit=10_000)
    InstrumentFactory.create(symbol="AAPL")
    draft = Draft(
        action_type="SELL",
        trigger_type="price_below",
        trigger_params={"threshold": "150"},
        symbol="AAPL",
        quantity=Decimal(10),
    )
    rule = create_action(user=user, draft=draft, now=OPENED_AT)
    other = UserFactory.create(username="bob")

    paused = told("pause my apple rule", user="ada")
    assert (paused["intent"], paused["args"]["action_id"]) == ("pause_action", str(rule.pk))
    assert told("pause my apple rule", user=other.username)["intent"] == "not_found"
    assert "hold no AAPL" in told("sell all my AAPL above 300", user="ada")["text"]
    bought = told("buy $50 of AAPL every weekday at 16:00", user="ada")
    assert bought["action"]["trigger_params"]["timezone"] == "Europe/Berlin"
    assert Action.objects.count() == 1
    rule.refresh_from_db()
    assert rule.status == "active"


def told(text: str, *, user: str) -> dict[str, Any]:
    output = StringIO()
    call_command("ask", text, "--json", user=user, now=NOW, stdout=output)
    answer: dict[str, Any] = json.loads(output.getvalue())
    return answer


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"user": "nobody"}, "no user “nobody”"),
        ({"now": "noon"}, "--now takes an instant"),
        ({"now": "2026-03-04T15:00:00"}, "with its zone"),
        ({"now": "0001-01-01T00:00:00Z"}, "from 1993 to 2099"),
        ({"now": "9999-12-31T23:59:59Z"}, "from 1993 to 2099"),
        ({"price": ["AAPL"]}, "--price takes a symbol"),
        ({"price": ["AAPL=NaN"]}, "--price takes a symbol"),
        ({"price": ["AAPL=-5"]}, "--price takes a symbol"),
        ({"price": ["=5"]}, "--price takes a symbol"),
    ],
)
def test_an_option_that_cannot_be_is_refused_in_words(
    option: dict[str, object], words: str
) -> None:
    with pytest.raises(CommandError, match=words):
        call_command("ask", "hello", **{"now": NOW, **option})
