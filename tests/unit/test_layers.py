"""Who may import whom: import-linter's contracts hold, and they notice what breaks them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "rest",
    "support",
    "accounts",
    "market",
    "portfolios",
    "actions",
    "chat",
    "tradingrules",
)
LAYERS = "Layers: each imports only what stands below it"
PURE = "The pure core knows no Django, no network and no database"


def lint(folder: Path) -> tuple[bool, str]:
    """Whether every contract is kept in `folder`, and the report."""
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "300"},
    )
    return done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The project's Python files and its contracts, to be spoilt."""
    for package in PACKAGES:
        for source in (ROOT / package).rglob("*.py"):
            target = tmp_path / source.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    shutil.copyfile(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    return tmp_path


def plant(folder: Path, path: str, line: str) -> None:
    module = folder / path
    module.write_text(f"{module.read_text()}\n{line}\n")


def test_every_contract_is_kept() -> None:
    kept, report = lint(ROOT)
    assert kept, report
    assert f"{LAYERS} KEPT" in report
    assert f"{PURE} KEPT" in report


def test_every_contract_is_kept_in_the_copy_before_it_is_spoilt(copied: Path) -> None:
    kept, report = lint(copied)
    assert kept, report


@pytest.mark.parametrize(
    ("path", "line", "contract", "importer", "imported"),
    [
        (
            "portfolios/ledger.py",
            "import actions.lifecycle",
            LAYERS,
            "portfolios.ledger",
            "actions.lifecycle",
        ),
        ("market/services.py", "import portfolios.money", LAYERS, "market", "portfolios.money"),
        ("rest/paging.py", "import accounts.models", LAYERS, "rest.paging", "accounts.models"),
        ("actions/services.py", "import chat", LAYERS, "actions.services", "chat"),
        (
            "actions/triggers/price_above.py",
            "import django.db",
            PURE,
            "actions.triggers.price_above",
            "django",
        ),
        (
            "actions/effects/sell.py",
            "from urllib.request import urlopen",
            PURE,
            "actions.effects.sell",
            "urllib",
        ),
        (
            "actions/judge.py",
            "from market.models import Quote",
            PURE,
            "actions.judge",
            "market.models",
        ),
        (
            "actions/rules.py",
            "def late():\n    from portfolios.services import trade",
            PURE,
            "actions.rules",
            "portfolios.services",
        ),
    ],
    ids=lambda value: value if "/" in value else "",
)
def test_a_wrong_import_breaks_the_contract_which_is_named(
    copied: Path, path: str, line: str, contract: str, importer: str, imported: str
) -> None:
    plant(copied, path, line)
    kept, report = lint(copied)
    assert not kept
    assert f"{contract} BROKEN" in report
    broken = report.partition("Broken contracts")[2]
    assert contract in broken
    assert any(
        line.lstrip("- ").startswith(importer) and f"-> {imported}" in line
        for line in broken.splitlines()
    ), broken


def test_a_pure_module_may_not_reach_the_database_through_another(copied: Path) -> None:
    plant(copied, "actions/limits.py", "import actions.selectors")
    kept, report = lint(copied)
    assert not kept
    assert f"{PURE} BROKEN" in report


def test_an_import_that_is_allowed_breaks_nothing(copied: Path) -> None:
    plant(copied, "actions/judge.py", "import portfolios.ledger")
    kept, report = lint(copied)
    assert kept, report
