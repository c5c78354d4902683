#!/usr/bin/env python
"""Django's command line: `python manage.py help` lists what there is."""

import os
import sys


def main() -> None:
    if sys.argv[1:2] == ["backtest"]:
        from actions.backtest.command import main as backtest

        sys.exit(backtest(sys.argv[2:]))  # it needs no settings, and starts in half the time
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradingrules.settings")
    try:
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line
        from django.db import OperationalError, ProgrammingError
    except ImportError:
        sys.exit("Django is not installed here. Run `make setup`, then use .venv/bin/python.")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as wrong:
        sys.exit(f"{sys.argv[0]}: {wrong}")
    except (OperationalError, ProgrammingError) as error:
        if "--traceback" in sys.argv or not (words := _of_database(error)):
            raise
        sys.exit(f"{sys.argv[0]}: {words} (--traceback tells more.)")


def _of_database(error: Exception) -> str:
    """What is wrong with the database, and the remedy; nothing where it is our own statement."""
    from django.db import OperationalError
    from psycopg import errors

    if isinstance(error.__cause__, errors.UndefinedTable | errors.UndefinedColumn):
        return "Migrations have not been applied. Run manage.py migrate."
    if isinstance(error, OperationalError):
        said = " ".join(str(error).split())
        return (
            f"The database cannot do its part. See that it runs, and DATABASE_URL. It says: {said}"
        )
    return ""


if __name__ == "__main__":
    main()
