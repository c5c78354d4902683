"""Each command that the docs name is one that there is, with arguments that it takes."""

import importlib
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

from tradingrules.environment import BASE_DIR, Environment

PAGES = [
    *(BASE_DIR / name for name in ("README.md", "CONTRIBUTING.md")),
    *sorted((BASE_DIR / "docs").rglob("*.md")),
    *sorted((BASE_DIR / "deploy").rglob("*.service")),
    BASE_DIR / "deploy" / "compose.yaml",
    BASE_DIR / "deploy" / "example.env",
]
_CODE = re.compile(r"```\w*\n(.*?)```|`([^`]+)`", re.DOTALL)
_END = re.compile(r"\s+#|\s*[|&;>`]|\.\.\.")


def code(page: Path) -> str:
    """What stands in the page as code; all of a file that is no page."""
    text = page.read_text()
    if page.suffix != ".md":
        return re.sub(r"[\[\],]", " ", text)
    return "\n".join("".join(found) for found in _CODE.findall(text)).replace("\n>", " ")


def named(pattern: str) -> list[tuple[str, str]]:
    """Each command that the pattern finds, once, with what follows it up to the end of the line."""
    return sorted(set(_found(pattern)))


def _found(pattern: str) -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for line in re.sub(r"\\\n\s*", "", code(page)).splitlines():
            for found in re.finditer(pattern, line):
                yield found[1], _END.split(line[found.end() :])[0].strip()


@pytest.mark.parametrize(("name", "arguments"), named(r"manage\.py ([a-z_]+)"))
def test_a_command_of_manage_py_takes_what_the_docs_give_it(name: str, arguments: str) -> None:
    app = get_commands()[name]
    command = load_command_class(app, name) if isinstance(app, str) else app
    given = shlex.split(re.sub(r"[\[\]]", "", arguments))
    parser = command.create_parser("manage.py", name)
    for argument in parser._actions:
        argument.type = None  # EMAIL is nobody's
    if given or name in {"migrate", "prune"}:  # alone, others are only spoken of
        parser.parse_args(given)


@pytest.mark.parametrize(("name", "arguments"), named(r"python -m bench\.(\w+)"))
def test_a_bench_takes_what_the_docs_give_it(
    name: str,
    arguments: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", [f"bench.{name}", "--help"])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(f"bench.{name}").main()
    assert ended.value.code == 0
    told = capsys.readouterr().out
    for option in re.findall(r"--[a-z-]+", arguments):
        assert re.search(rf"{option}\b(?!-)", told), option


def test_what_the_docs_have_make_do_can_be_made() -> None:
    targets = re.findall(r"^([a-z-]+):", (BASE_DIR / "Makefile").read_text(), re.MULTILINE)
    asked = {name for name, _ in named(r"^(?:[^\w]*\s)?make ([a-z-]+)")}
    assert {"demo", "test", "check", "docs", "bench"} <= asked
    assert asked <= set(targets)


def test_the_tests_that_the_docs_name_are_there() -> None:
    paths = {path for path, _ in named(r"(tests/(?:unit|integration|functional)/\w+\.py)")}
    assert len(paths) > 5
    assert [path for path in paths if not (BASE_DIR / path).is_file()] == []


def test_the_variables_that_the_docs_set_are_there() -> None:
    others = {"ENV_FILE", "API", "TOKEN", "RULE", "PROPOSAL", "REHEARSAL", "ETAG"}
    read = {name.upper() for name in Environment.model_fields} | others
    assert {name for name, _ in named(r"export ([A-Z_]+)=")} <= read


def test_what_the_docs_name_beside_a_file_stands_in_that_file() -> None:
    """As in "`actions/engine.py` `run_tick(now=...)`": who is new reads the code by these."""
    beside = re.compile(r"`([a-z_]+/[\w/]+\.py)`,? `(\w+)(?![\w.])")
    found = {pair for page in PAGES for pair in beside.findall(page.read_text())}
    assert len(found) > 10
    files = {path: BASE_DIR / path for path, _ in found}
    assert [path for path, file in files.items() if not file.is_file()] == []
    assert [
        (path, name)
        for path, name in found
        if not re.search(
            rf"^(async )?(def|class) {name}\b|^ *{name}\b.* = ", files[path].read_text(), re.M
        )
    ] == []


def test_each_table_of_the_docs_begins_with_its_head() -> None:
    """A line that is left empty in it would leave the rows after it as plain text."""
    tables = [
        (page.name, lines.splitlines())
        for page in PAGES
        if page.suffix == ".md"
        for lines in re.findall(r"(?:^ *\|.*\n?)+", page.read_text(), re.M)
    ]
    assert len(tables) > 50
    assert [
        (name, rows[0]) for name, rows in tables if not re.fullmatch(r" *[|: -]+", rows[1:2][0])
    ] == []


def test_the_glossary_goes_by_the_alphabet() -> None:
    words = re.findall(r"^\| ([a-z, ]+?) \|", (BASE_DIR / "docs/glossary.md").read_text(), re.M)[1:]
    assert words == sorted(words)
    assert len(words) == len(set(words)) > 50
