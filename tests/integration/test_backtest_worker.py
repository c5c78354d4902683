"""A long backtest in a real cluster: it goes on, is cancelled, and outlives its worker."""

from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from actions.backtest.run import backtest
from actions.backtest.sweep import at_setting
from actions.backtesting.runs import take_up_forsaken
from actions.backtesting.terms import Terms
from actions.models import Backtest
from tests.api import Api
from tests.backtests import YEAR, hold_bars, series_of
from tests.conftest import list_instruments
from tests.factories import UserFactory
from tests.integration.test_worker import wait_for, worker

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

# It fires at every bar, which takes long.
EVERY_BAR: dict[str, Any] = {
    "rule": {
        "action_type": "NOTIFY",
        "symbol": "AAPL",
        "trigger_type": "price_above",
        "trigger_params": {"threshold": "1"},
        "max_executions": None,
        "cooldown_seconds": 60,  # so that each firing is played: all told at once, it is soon over
    },
    "sweep": {"parameter": "threshold", "from": 1, "to": 200, "steps": 100},
    **YEAR,
}


def asked(api: Api) -> str:
    answer = api.post("/backtests", EVERY_BAR)
    assert answer.status_code == 202, answer.content
    return str(answer.json()["id"])


def progress_of(api: Api, id: str) -> tuple[str, int]:
    told = api.get(f"/backtests/{id}").json()
    return told["status"], told["progress"]


def test_it_goes_on_is_cancelled_amid_it_and_is_taken_up_when_its_worker_was_killed(
    tmp_path: Path,
) -> None:
    list_instruments(["AAPL"])
    hold_bars("AAPL")
    api = Api(UserFactory.create())
    with worker(tmp_path) as cluster:
        first = asked(api)
        wait_for(lambda: progress_of(api, first) > ("running", 0), "progress")
        at = progress_of(api, first)
        wait_for(lambda: progress_of(api, first) > at, "more progress")
        assert api.post(f"/backtests/{first}/cancel").status_code == 200
        cancelled = api.get(f"/backtests/{first}").json()
        assert (cancelled["status"], cancelled["progress"] < 100) == ("cancelled", True)

        second = asked(api)
        wait_for(lambda: progress_of(api, second) > ("running", 2), "some settings")
        cluster.kill_the_parts()
        kept = Backtest.objects.get(pk=second)
        assert kept.status == "running"
        wait_for(lambda: take_up_forsaken(now=timezone.now()) == 1, "the end of the lease")
        wait_for(lambda: progress_of(api, second)[0] == "done", "the end")
        assert api.get(f"/backtests/{first}").json() == cancelled
    done = Backtest.objects.get(pk=second)
    assert done.swept[: len(kept.swept)] == kept.swept, "what was found is not played again"
    terms = Terms.model_validate(done.terms)
    for place in (0, 50, 99):
        rule = at_setting(terms.rule(), "threshold", terms.values[place])
        expected = backtest(rule, series_of("AAPL"), **terms.play())
        assert done.swept[place]["fires"] == len(expected.fires)
