"""A command that cannot do its part says so in a line, with the remedy, and fails."""

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, ProgrammingError
from psycopg import errors

from manage import _of_database
from tests.unit.test_environment import PRODUCTION, manage


def test_a_database_that_does_not_answer_is_said_in_one_line() -> None:
    nobodys = PRODUCTION | {"DATABASE_URL": "postgresql://rules:pa55word@127.0.0.1:1/rules"}
    refused = manage("verify_ledger", **nobodys)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("manage.py: The database cannot do its part.")
    assert refused.stderr.count("\n") == 1
    assert "pa55word" not in refused.stderr


@pytest.mark.parametrize(
    ("error", "cause", "words"),
    [
        (ProgrammingError(), errors.UndefinedTable(), "Run manage.py migrate"),
        (ProgrammingError(), errors.UndefinedColumn(), "Run manage.py migrate"),
        (OperationalError("no\n room"), errors.DiskFull(), "It says: no room"),
        (ProgrammingError("of ours"), errors.SyntaxError(), ""),
    ],
)
def test_what_is_wrong_with_the_database_has_a_remedy_and_a_fault_of_ours_none(
    error: Exception, cause: Exception, words: str
) -> None:
    error.__cause__ = cause
    said = _of_database(error)
    assert words in said
    assert bool(said) == bool(words)


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("await_migrations", ["--seconds", "nan"]),
        ("await_migrations", ["--seconds", "-1"]),
        ("await_migrations", ["--seconds", "soon"]),
        ("demo", ["--port", "65536"]),
        ("demo", ["--port", "0"]),
        ("demo", ["--until-executions", "0"]),
        ("demo", ["--until-executions", "many"]),
    ],
)
def test_an_argument_that_cannot_be_is_refused_before_anything_is_done(
    command: str, arguments: list[str]
) -> None:
    with pytest.raises(CommandError, match=r"is not a (whole )?number|is not a port"):
        call_command(command, *arguments)
