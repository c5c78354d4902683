"""Evaluators at once, each a process with a connection of its own: every rule fires once."""

import os
import subprocess
import sys
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction

from actions.models import Action, ActionExecution, Watch
from actions.watches import wake
from market.models import Quote
from market.services import follow
from portfolios.models import Transaction
from portfolios.selectors import discrepancies
from portfolios.services import deposit, primary_portfolio
from tests.conftest import list_instruments
from tests.factories import UserFactory

RULES = 1000
PORTFOLIOS = 20

# What each process runs: it leases and fires until nothing is awake any more.
EVALUATE = """
import os, sys
from datetime import datetime
import django
django.setup()
from django.conf import settings
settings.DATABASES["default"]["NAME"] = sys.argv[1]
from django.db import connection
from actions.engine import Report, look_at_the_woken
report = Report()
connection.ensure_connection()
print("ready", flush=True)
sys.stdin.readline()
look_at_the_woken(now=datetime.fromisoformat(sys.argv[2]), report=report)
print(report.fired, report.errors)
"""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("processes", "rules"), [(2, RULES), pytest.param(8, 2 * RULES, marks=pytest.mark.slow)]
)
def test_every_rule_fires_exactly_once(now: datetime, processes: int, rules: int) -> None:
    list_instruments(["AAPL"])
    follow(symbols=["AAPL"])
    awake_rules(now, rules)

    evaluators = [evaluator(now) for _ in range(processes)]
    for process in evaluators:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in evaluators:  # they begin together
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=600) for process in evaluators]
    assert {process.returncode for process in evaluators} == {0}, answers
    fired = [int(out.split()[0]) for out, _ in answers]
    assert {out.split(maxsplit=1)[1].strip() for out, _ in answers} == {"[]"}
    assert sum(fired) == rules
    assert sum(share > 0 for share in fired) > 1, "one did all the work, so this showed nothing"

    assert ActionExecution.objects.count() == rules
    assert ActionExecution.objects.filter(execution_status="success").count() == rules
    assert Transaction.objects.filter(kind="buy").count() == rules
    assert Action.objects.filter(status="completed", executions_count=1).count() == rules
    assert not Watch.objects.exists()
    assert discrepancies() == []


def awake_rules(now: datetime, rules: int = RULES) -> None:
    """So many rules in 20 portfolios, all of them woken by the same quote."""
    owners = [UserFactory.create() for _ in range(PORTFOLIOS)]
    for owner in owners:
        deposit(portfolio=primary_portfolio(user=owner), amount=Decimal(100_000), at=now)
    Quote.objects.update(price=Decimal(100), as_of=now, received_at=now, provider="test")
    actions = Action.objects.bulk_create(
        Action(
            user=owners[number % PORTFOLIOS],
            portfolio=primary_portfolio(user=owners[number % PORTFOLIOS]),
            action_type="BUY",
            symbol="AAPL",
            quantity=Decimal(1),
            trigger_type="price_below",
            trigger_params={"threshold": "100"},
            valid_from=now - timedelta(days=1),
            created_at=now,
        )
        for number in range(rules)
    )
    Watch.objects.bulk_create(
        Watch(action=action, symbol="AAPL", below=Decimal(100)) for action in actions
    )
    with transaction.atomic():
        assert wake(symbols=["AAPL"], now=now) == rules


def evaluator(now: datetime) -> "subprocess.Popen[str]":
    name = connection.settings_dict["NAME"]
    return subprocess.Popen(
        [sys.executable, "-c", EVALUATE, str(name), now.isoformat()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"LEASE_BATCH": "50"},
    )
