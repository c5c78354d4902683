"""The commands of the quickstart print what it says, those that go on for good exist, and what one
asks for is there from the ones before it."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command, get_commands

from market.models import ReplayRun
from tests.integration.test_api_docs import command

PAGE = settings.BASE_DIR / "docs" / "quickstart.md"
MANAGE = ".venv/bin/python manage.py "


def commands() -> list[tuple[str, str]]:
    """Each with what it is said to print."""
    blocks = re.findall(r"```console\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return [command(part) for part in re.split(r"^\$ ", "".join(blocks), flags=re.M)[1:]]


GOING_ON = [asked for asked, printed in commands() if asked.startswith(MANAGE) and not printed]


def test_each_command_prints_what_the_page_says(tmp_path: Path) -> None:
    """In a folder of its own that has what a clone has."""
    for name in (".venv", "manage.py", "market"):
        (tmp_path / name).symlink_to(settings.BASE_DIR / name)
    run = [(asked, printed) for asked, printed in commands() if asked not in GOING_ON]
    assert len(run) == 3
    for asked, printed in run:
        done = subprocess.run(
            ["/bin/sh", "-c", asked],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert (done.returncode, done.stdout.strip()) == (0, printed.strip()), done.stderr


@pytest.mark.parametrize("asked", GOING_ON)
def test_what_goes_on_for_good_is_a_command_that_there_is(asked: str) -> None:
    assert shlex.split(asked.removeprefix(MANAGE))[0] in get_commands()


@pytest.mark.django_db
def test_a_new_database_has_what_the_replay_plays() -> None:
    asked = [shlex.split(asked.removeprefix(MANAGE)) for asked in GOING_ON]
    for name, *arguments in asked:
        if name in {"import_bars", "replay"}:
            call_command(name, *arguments)
    assert ReplayRun.objects.get().first_session.isoformat() == "2008-09-02"
