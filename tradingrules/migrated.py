"""Whether the database is as this version of the application needs it."""

from django.db import connection
from django.db.migrations.executor import MigrationExecutor


def unapplied() -> list[str]:
    """This version's migrations that have not been applied, such as `actions.0016_rule_drafts`.

    Those of a newer version, which this one does not know, do not count: two versions may run at
    once. Raises OperationalError when the database does not answer.
    """
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]
