"""A worker that dies amid an import leaves nothing half-done, and another takes it up."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from actions.bulk import imports
from actions.bulk.imports import cancel_import, confirm_import, open_import
from actions.bulk.sending import go_on as send
from actions.models import Action, RuleImport, Watch
from actions.tasks import go_on_with_imports
from tests import importers
from tests.conftest import list_instruments
from tests.factories import UserFactory
from tests.integration.test_worker import wait_for, worker
from tests.locks import somebody_waits_for
from tests.postgres import run_cluster
from tests.processes import KILLED, Running, begin

pytestmark = pytest.mark.django_db(transaction=True)

RULES = 1_200  # more than are looked at together
SECONDS = 120


def file_of(count: int) -> bytes:
    lines = ["external_id,action_type,symbol,trigger_type,trigger_params,notes"]
    note = "x" * 300  # so that it is no small file
    params = '"{""threshold"": ""150""}"'
    lines += [f"r{n},NOTIFY,AAPL,price_below,{params},{note}" for n in range(count)]
    return "\n".join(lines).encode()


@pytest.fixture
def ada(settings: object) -> User:
    list_instruments(["AAPL"])
    return UserFactory.create(username="ada")


@pytest.fixture
def confirmed(ada: User) -> RuleImport:
    """A large file that is to be applied."""
    now = timezone.now()
    held = open_import(user=ada, content=file_of(RULES), now=now)
    assert not imports.is_small(held)
    imports.check_import(import_id=held.pk, now=now)
    assert confirm_import(user=ada, import_id=held.pk, now=now)
    return held


@contextmanager
def amid_the_import(held: RuleImport) -> Iterator[Running[str]]:
    """Another process that applies it, and waits in the middle: for a symbol's terms, which we have
    until the block ends."""
    url = run_cluster().url(str(connection.settings_dict["NAME"]))
    with psycopg.connect(url) as ours:
        ours.execute("SELECT FROM market_instrument WHERE symbol = 'AAPL' FOR UPDATE")
        running = begin(url, importers.go_on)
        waiting = partial(somebody_waits_for, ours.info.backend_pid)
        wait_for(waiting, "an import that waits", seconds=SECONDS)
        yield running


def progress(held: RuleImport) -> int:
    return RuleImport.objects.get(pk=held.pk).progress


def test_one_that_is_killed_has_done_nothing_and_is_taken_up_again(confirmed: RuleImport) -> None:
    with amid_the_import(confirmed) as running:
        assert progress(confirmed) == 1000
        assert go_on_with_imports() == "1 imports", "it is passed by"
        assert RuleImport.objects.get().attempts == 1
        running.send(signal.SIGKILL)
        assert running.exit_code(seconds=SECONDS) == KILLED
    assert not Action.objects.exists()
    assert RuleImport.objects.get().state == "applying"
    wait_for(lambda: bool(go_on_with_imports()) and is_done(), "the import", seconds=SECONDS)
    assert Action.objects.count() == Watch.objects.count() == RULES


def is_done() -> bool:
    return RuleImport.objects.get().state == "done"


def test_one_that_is_cancelled_before_it_is_done_does_nothing(confirmed: RuleImport) -> None:
    with amid_the_import(confirmed) as running:
        cancel_import(user=confirmed.user, import_id=confirmed.pk, now=timezone.now())
    assert running.result(seconds=SECONDS) == "1 imports"
    held = RuleImport.objects.get()
    assert (held.state, held.content) == ("cancelled", None)
    assert not Action.objects.exists()


@pytest.mark.slow
def test_the_cluster_imports_a_large_file(ada: User, tmp_path: Path) -> None:
    now: datetime = timezone.now()
    with worker(tmp_path):
        held = open_import(user=ada, content=file_of(RULES), now=now, at_once=True)
        assert send(held, now).state == "checking"
        wait_for(is_done, "the import", seconds=SECONDS)
    assert Action.objects.count() == RULES
