"""Transactions whose statements are sent ahead: all of it happens, or nothing, as in any other."""

from datetime import datetime, timedelta
from decimal import Decimal

import pghistory
import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.transaction import TransactionManagementError

from actions.engine import Report, look_at_the_woken, take_in
from actions.execute import FEW
from actions.services import Draft, create_action
from market.bulk import ask, run, send, transaction_sent_ahead
from market.history import keep_history
from market.models import FeedIncident, PastQuote
from market.quotes import Sample
from portfolios.models import Portfolio
from portfolios.services import deposit, primary_portfolio
from tests.conftest import list_instruments
from tests.factories import UserFactory

SECOND = timedelta(seconds=1)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _a_table() -> None:
    connection.close()  # and with it what was prepared
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE kept (number integer)")


def keep(number: int) -> None:
    send("INSERT INTO kept VALUES (%s)", [number])


def kept() -> list[int]:
    return [number for (number,) in run("SELECT number FROM kept ORDER BY number", [])]


def is_at_rest() -> bool:
    """Whether nothing of the transaction is left: on the server, or in Django's mind."""
    idle = connection.connection.info.transaction_status.name == "IDLE"
    return idle and connection.get_autocommit() and not connection.in_atomic_block


def test_what_is_sent_is_committed_and_answers_can_be_read_afterwards() -> None:
    with transaction_sent_ahead():
        keep(1)
        answer = ask("SELECT count(*) FROM kept", [])
        keep(2)
    assert answer() == [(1,)]
    assert kept() == [1, 2]
    assert is_at_rest()


def test_a_statement_that_fails_takes_back_those_before_it_and_stops_those_after_it() -> None:
    with pytest.raises(DatabaseError, match="division by zero"), transaction_sent_ahead():  # noqa: PT012
        keep(1)
        send("SELECT 1 / 0", [])
        keep(2)
    assert is_at_rest()
    assert kept() == []


def test_an_error_of_ours_takes_back_what_was_sent() -> None:
    with pytest.raises(ZeroDivisionError), transaction_sent_ahead():  # noqa: PT012
        keep(1)
        raise ZeroDivisionError
    assert is_at_rest()
    assert kept() == []


def test_what_only_the_commit_finds_wrong_is_raised_by_the_block() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE IF NOT EXISTS later"
            " (number integer UNIQUE DEFERRABLE INITIALLY DEFERRED)"
        )
    with pytest.raises(IntegrityError), transaction_sent_ahead():
        send("INSERT INTO later VALUES (1), (1)", [])
    assert is_at_rest()
    assert run("SELECT count(*) FROM later", []) == [(0,)]


def test_within_another_transaction_it_is_a_part_that_can_be_taken_back_alone() -> None:
    with transaction.atomic():
        keep(1)
        with pytest.raises(DatabaseError), transaction_sent_ahead():  # noqa: PT012
            keep(2)
            send("SELECT 1 / 0", [])
        with transaction_sent_ahead():
            keep(3)
    assert kept() == [1, 3]


def test_a_part_of_it_can_be_taken_back_alone() -> None:
    with transaction_sent_ahead():
        keep(1)
        with pytest.raises(ZeroDivisionError), transaction.atomic():  # noqa: PT012
            keep(2)
            raise ZeroDivisionError
        keep(3)
    assert kept() == [1, 3]


def test_what_waits_for_the_commit_is_done_after_it_and_only_then() -> None:
    done = []
    with transaction_sent_ahead():
        transaction.on_commit(lambda: done.append(kept()))
        keep(1)
        assert done == []
    assert done == [[1]]
    with pytest.raises(ZeroDivisionError), transaction_sent_ahead():  # noqa: PT012
        transaction.on_commit(lambda: done.append([]))
        raise ZeroDivisionError
    with transaction_sent_ahead():
        keep(2)
    assert done == [[1]]


def test_what_was_marked_to_be_taken_back_is_not_committed() -> None:
    with pytest.raises(TransactionManagementError), transaction_sent_ahead():  # noqa: PT012
        keep(1)
        transaction.set_rollback(True)
    assert is_at_rest()
    assert kept() == []


def test_a_server_that_is_lost_amid_it_is_asked_anew_by_the_next() -> None:
    with pytest.raises(DatabaseError), transaction_sent_ahead():  # noqa: PT012
        keep(1)
        run("SELECT pg_terminate_backend(pg_backend_pid())", [])
    with transaction_sent_ahead():
        answer = ask("SELECT 1", [])
    assert answer() == [(1,)]
    assert is_at_rest()


def test_a_price_is_taken_in_while_a_request_tells_whose_history_it_writes(now: datetime) -> None:
    """pghistory then puts a statement before those that Django's cursors write with, and two are
    too many for one that is sent ahead."""
    list_instruments(["AAPL", "MSFT"])
    user = UserFactory.create()
    draft = Draft(
        action_type="NOTIFY",
        symbol="AAPL",
        trigger_type="trailing_stop",
        trigger_params={"percent": "5"},
    )
    with pghistory.context(user=str(user.pk)):
        deposit(portfolio=primary_portfolio(user=user), amount=Decimal(100), at=now)
        rule = create_action(user=user, draft=draft, now=now)
        keep_history(symbols=["AAPL"], span=timedelta(hours=1))
        assert take_in([Sample("AAPL", Decimal(100), now)], now) == 1
        look_at_the_woken(now=now, report=Report())

        later = now + timedelta(seconds=30)
        assert take_in([Sample("AAPL", Decimal(120), later)], later) == 0
        future = Sample("MSFT", Decimal(300), later + timedelta(days=1))
        assert take_in([Sample("AAPL", Decimal(113), later + SECOND), future], later + SECOND) == 1
    rule.refresh_from_db()
    assert rule.runtime_state["peak"] == "120.000000"
    assert FeedIncident.objects.get().kind == "from the future"
    assert PastQuote.objects.filter(instrument="AAPL").count() == 3
    assert not Portfolio.objects.filter(changed=True).exists()


def test_a_table_may_grow_by_a_column_while_what_was_prepared_goes_on() -> None:
    """A migration, that is, under a process of the version before it."""
    statement = (
        "WITH same AS (UPDATE kept SET number = number RETURNING kept.*) SELECT number FROM same"
    )

    def asked() -> list[tuple[int]]:
        with transaction_sent_ahead(prepared=True):
            answer = ask(statement, [])
        return answer()

    keep(1)
    assert [asked() for _ in range(4)] == [[(1,)]] * 4
    assert statement in prepared()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE kept ADD COLUMN grown integer")
    try:
        assert [asked() for _ in range(4)] == [[(1,)]] * 4
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE kept DROP COLUMN grown")


def test_only_what_is_said_to_be_of_few_rows_is_prepared() -> None:
    for _ in range(4):
        kept()
        with transaction_sent_ahead():
            ask("SELECT 1", [])
    assert prepared() == []


@pytest.mark.parametrize("rules", [1, FEW + 1])
def test_a_few_firings_are_prepared_and_a_storm_is_planned_for_what_it_is(
    now: datetime, rules: int
) -> None:
    list_instruments(["AAPL"])
    draft = Draft(
        action_type="NOTIFY",
        symbol="AAPL",
        trigger_type="price_below",
        trigger_params={"threshold": "150"},
        max_executions=None,
    )
    user = UserFactory.create()
    for _ in range(rules):
        create_action(user=user, draft=draft, now=now)
    for _ in range(3):
        now += timedelta(minutes=1)
        take_in([Sample("AAPL", Decimal(149), now)], now)
        report = Report()
        look_at_the_woken(now=now, report=report)
        assert report.fired == rules
        take_in([Sample("AAPL", Decimal(151), now + SECOND)], now + SECOND)
        look_at_the_woken(now=now + SECOND, report=Report())
    kept = any("INSERT INTO action_executions" in statement for statement in prepared())
    assert kept == (rules <= FEW)


def prepared() -> list[str]:
    """The statements that PostgreSQL keeps for this session."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        return [statement for (statement,) in cursor.fetchall()]
