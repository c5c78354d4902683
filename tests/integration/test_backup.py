"""Real dumps, restored by PostgreSQL's own programs: books, rules and what fires afterwards."""

import stat
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from accounts.models import User
from actions.engine import run_tick, take_in
from actions.models import Action, ActionExecution, Notification
from actions.services import Draft, create_action
from market.models import Quote
from portfolios.models import Portfolio
from portfolios.selectors import discrepancies
from portfolios.services import deposit, primary_portfolio
from tests.conftest import Feed
from tests.factories import UserFactory
from tradingrules.backup import drop, prune, working_on
from tradingrules.management.commands import verify_backup

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("instruments", "feed"),
]
RESTORED = "restored_by_a_test"
SECOND = timedelta(seconds=1)
A_DAY = timedelta(days=1)


@pytest.fixture
def owner(now: datetime) -> User:
    user = UserFactory.create()
    deposit(portfolio=primary_portfolio(user=user), amount=Decimal(10_000), at=now)
    return user


@pytest.fixture
def restored(tmp_path: Path) -> Iterator[str]:
    """The name for a restored database of this test's own, which is dropped after it."""
    name = f"{RESTORED}_{connection.settings_dict['NAME']}"
    yield name
    drop(name)


@pytest.fixture
def scratch(monkeypatch: pytest.MonkeyPatch) -> str:
    """The database in which a dump is proved: by a name that no test beside this one has."""
    ours = connection.settings_dict["NAME"]
    monkeypatch.setattr(verify_backup, "secrets", SimpleNamespace(token_hex=lambda size: ours))
    return f"verify_{ours}"


def buy_below(owner: User, symbol: str, threshold: str, now: datetime) -> Action:
    draft = Draft(
        action_type="BUY",
        symbol=symbol,
        quantity=Decimal(1),
        trigger_type="price_below",
        trigger_params={"threshold": threshold},
    )
    return create_action(user=owner, draft=draft, now=now)


def backup(folder: Path, **options: int) -> Path:
    call_command("backup", folder, stdout=StringIO(), **options)
    return max(folder.glob("*.dump"))


def test_after_a_restore_nothing_is_fired_for_the_time_that_was_missed(
    owner: User, feed: Feed, now: datetime, tmp_path: Path, restored: str
) -> None:
    dipped = buy_below(owner, "AAPL", "150", now)
    below = buy_below(owner, "IBM", "100", now)
    awake = buy_below(owner, "GOOG", "500", now)
    for symbol, price in (("AAPL", "160"), ("IBM", "120"), ("GOOG", "510")):
        feed.says(symbol, price, now)
    assert run_tick(now=now).fired == 0
    feed.says("GOOG", "499", now + 10 * SECOND)
    with transaction.atomic():
        assert take_in([feed.samples["GOOG"]], now + 10 * SECOND) == 1
    path = backup(tmp_path)
    # Fired after the dump, so the restored books know nothing of it.
    feed.says("AAPL", "140", now + 20 * SECOND)
    assert run_tick(now=now + 20 * SECOND).fired == 2

    said = StringIO()
    call_command("restore", path, restored, stdout=said)
    assert "ledger holds: 1 portfolio, 1 transaction" in said.getvalue()
    assert "2 sleeping rules, 0 watches differed" in said.getvalue()
    with working_on(restored):
        later = now + A_DAY
        for symbol, price in (("AAPL", "160"), ("IBM", "90"), ("GOOG", "510")):
            feed.says(symbol, price, later)
        assert run_tick(now=later).fired == 1
        execution = ActionExecution.objects.get()
        assert execution.action_id == below.pk, "true now, so it fires now: at the price of now"
        assert execution.transaction is not None
        assert execution.transaction.price == 90
        assert Action.objects.get(pk=dipped.pk).status == "active"
        evaluation = Action.objects.get(pk=awake.pk).last_evaluation
        assert evaluation is not None
        assert evaluation["finding"] == "missed"
        assert Notification.objects.filter(subject__startswith="Missed").count() == 1
        for symbol, price in (("AAPL", "149"), ("IBM", "90"), ("GOOG", "510")):
            feed.says(symbol, price, later + 10 * SECOND)
        assert run_tick(now=later + 10 * SECOND).fired == 1, "it wakes as before"
        assert discrepancies() == []
    assert ActionExecution.objects.count() == 2, "the database in use is left alone"


def test_a_restore_can_leave_everything_paused(
    owner: User, feed: Feed, now: datetime, tmp_path: Path, restored: str
) -> None:
    buy_below(owner, "AAPL", "150", now)
    call_command("restore", backup(tmp_path), restored, paused=True, stdout=StringIO())
    with working_on(restored):
        assert not Portfolio.objects.filter(paused_by_staff=False).exists()
        feed.says("AAPL", "140", now)
        assert run_tick(now=now).fired == 0
    assert not Portfolio.objects.filter(paused_by_staff=True).exists()


@pytest.mark.usefixtures("owner")
def test_a_dump_is_proved_by_restoring_it(tmp_path: Path, scratch: str) -> None:
    path = backup(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    said = StringIO()
    call_command("verify_backup", path, stdout=said)
    assert f"{path.name} can be restored." in said.getvalue()
    assert scratch not in databases()


@pytest.mark.usefixtures("owner")
def test_a_dump_whose_books_do_not_hold_is_found_out(tmp_path: Path, scratch: str) -> None:
    older = backup(tmp_path)
    Portfolio.objects.update(cash=9_999)
    with pytest.raises(CommandError, match="The ledger does not hold: differences: 1"):
        call_command("backup", tmp_path, keep=1, verify=True, stdout=StringIO())
    assert older.exists(), "a dump that does not hold takes no other's place"
    assert scratch not in databases()


def test_a_dump_that_is_cut_short_is_refused_and_leaves_nothing(
    tmp_path: Path, restored: str
) -> None:
    path = backup(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CommandError, match="pg_restore failed"):
        call_command("restore", path, restored, stdout=StringIO())
    assert restored not in databases()


@pytest.mark.parametrize("name", ["", "n" * 64])
def test_a_name_that_no_database_can_have_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.dump"
    path.touch()
    with pytest.raises(CommandError, match="a name of 1 to 63 characters"):
        call_command("restore", path, name)


def test_a_database_that_exists_is_never_written_over(tmp_path: Path) -> None:
    path = backup(tmp_path)
    ours = connection.settings_dict["NAME"]
    with pytest.raises(CommandError, match="already exists"):
        call_command("restore", path, ours, stdout=StringIO())
    assert ours in databases()
    assert Quote.objects.count() == 0


def test_the_oldest_dumps_go_and_nothing_else(tmp_path: Path) -> None:
    for day in range(1, 6):
        (tmp_path / f"tradingrules-2026110{day}T030000Z.dump").touch()
    (tmp_path / "of-somebody-else.dump").touch()
    assert [path.name[19:21] for path in prune(tmp_path, keep=3)] == ["01", "02"]
    assert prune(tmp_path, keep=3) == []
    assert (tmp_path / "of-somebody-else.dump").exists()


def test_a_dump_that_fails_leaves_nothing_and_says_why(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="There is no folder"):
        call_command("backup", tmp_path / "nowhere")
    with pytest.raises(CommandError, match="There is no dump"):
        call_command("verify_backup", tmp_path / "none.dump")
    with pytest.raises(CommandError, match="--keep must be 1 or more"):
        call_command("backup", tmp_path, keep=0)
    assert list(tmp_path.iterdir()) == []


def databases() -> list[str]:
    with psycopg.connect(**connection.get_connection_params()) as asking:
        return [name for (name,) in asking.execute("SELECT datname FROM pg_database")]
