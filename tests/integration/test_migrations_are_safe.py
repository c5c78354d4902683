"""No migration takes from the version before what that one still needs: two may run at once.

A linter reads the SQL of each. Those in BASELINE were applied before anybody ran two versions; a
new one has no place there (docs/operations.md, "Two versions at once").
"""

import logging

import pytest
from django.conf import settings
from django.db import connection
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from django_migration_linter import MigrationLinter

BASELINE = {
    "accounts.0002_people_by_how_they_begin",
    "accounts.0003_api_tokens",
    "actions.0003_watch_portfolio",
    "actions.0005_water_marks",
    "actions.0006_deliveries",
    "actions.0009_request_fingerprint",
    "actions.0013_rules_of_a_user_in_order",
    "actions.0014_wakings",
    "actions.0015_unread_notifications",
    "actions.0018_support",
    "actions.0022_rule_imports",
    "market.0006_splits",
    "portfolios.0003_portfolio_changed",
}


@pytest.mark.slow
@pytest.mark.django_db
def test_only_those_of_the_baseline_are_not_safe(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="django_migration_linter")
    linter = MigrationLinter(
        str(settings.BASE_DIR),
        no_cache=True,
        all_warnings_as_errors=True,
        analyser_string="postgresql",
    )
    unsafe = {
        f"{migration.app_label}.{migration.name}"
        for migration in ours()
        if is_unsafe(linter, migration)
    }
    assert unsafe - BASELINE == set(), capsys.readouterr().out
    assert BASELINE - unsafe == set(), "these have no need to be in the baseline"


def ours() -> list[Migration]:
    packages = {path.parent.name for path in settings.BASE_DIR.glob("*/migrations")}
    found = MigrationLoader(connection).disk_migrations
    return [migration for (label, _), migration in sorted(found.items()) if label in packages]


def is_unsafe(linter: MigrationLinter, migration: Migration) -> bool:
    linter.reset_counters()
    linter.lint_migration(migration)
    return bool(linter.nb_erroneous or linter.nb_warnings)
