"""A start waits for the migrations of its version, and says what is missing."""

import os
import subprocess
import sys
from unittest.mock import patch

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from tradingrules.migrated import unapplied


@pytest.mark.django_db
def test_a_database_that_is_as_it_should_be_lets_the_start_go_on() -> None:
    call_command("await_migrations", seconds=0)


@pytest.mark.django_db
def test_what_is_missing_is_named_with_the_remedy() -> None:
    newest = MigrationRecorder.Migration.objects.filter(app="actions").latest("name")
    newest.delete()
    assert unapplied() == [f"actions.{newest.name}"]
    words = rf"not been applied: actions\.{newest.name}\. Run manage.py migrate"
    with pytest.raises(CommandError, match=words):
        call_command("await_migrations", seconds=0)


@pytest.mark.django_db
def test_a_newer_versions_migrations_are_no_concern_of_this_one() -> None:
    MigrationRecorder(connection).record_applied("actions", "9999_of_tomorrow")
    assert unapplied() == []


@pytest.mark.django_db
def test_it_waits_for_the_one_who_migrates() -> None:
    with patch(
        "tradingrules.management.commands.await_migrations.unapplied",
        side_effect=[["actions.0002_two"], ["actions.0002_two"], []],
    ) as asked:
        call_command("await_migrations", seconds=30)
    assert asked.call_count == 3


def test_a_database_that_does_not_answer_is_named_without_its_password() -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "await_migrations", "--seconds=1"],
        cwd=settings.BASE_DIR,
        env=os.environ | {"DATABASE_URL": "postgresql://rules:pa55word@127.0.0.1:1/rules"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 1
    assert "CommandError: the database does not answer" in done.stderr
    assert "pa55word" not in done.stderr
