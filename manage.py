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
    except ImportError:
        sys.exit("Django is not installed here. Run `make setup`, then use .venv/bin/python.")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as wrong:
        sys.exit(f"{sys.argv[0]}: {wrong}")


if __name__ == "__main__":
    main()
