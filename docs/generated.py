"""The pages of reference, written from the code: whatever it says of itself."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import django

django.setup()

from django.core.management import get_commands, load_command_class  # noqa: E402
from django.core.management.base import BaseCommand  # noqa: E402
from pydantic import SecretStr  # noqa: E402

from actions.parts import Part  # noqa: E402
from actions.registry import action_types, trigger_types  # noqa: E402
from tradingrules.api import schema  # noqa: E402
from tradingrules.environment import BASE_DIR, Environment  # noqa: E402
from tradingrules.numbers import numbers_of  # noqa: E402
from tradingrules.reference import Field, fields, operations  # noqa: E402

GENERAL = {"help", "version", "verbosity", "settings", "pythonpath", "traceback", "no_color"}
GENERAL |= {"force_color", "skip_checks"}


def write(folder: Path) -> None:
    """Writes every page into the folder; one that is as it was is left alone."""
    pages = {
        "triggers": _parts("Triggers", "trigger_type", trigger_types()),
        "effects": _parts("Effects", "action_type", action_types()),
        "environment": _environment(),
        "commands": _commands(),
        "api-operations": _api(),
    }
    folder.mkdir(exist_ok=True)
    for name, lines in pages.items():
        path, text = folder / f"{name}.md", "\n".join(lines) + "\n"
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def _parts(title: str, key: str, parts: Mapping[str, type[Part]]) -> Iterable[str]:
    yield f"# {title}"
    for name, part in parts.items():
        yield f"\n## {part.title}\n\n`{key}`: `{name}`. {_escaped(part.summary)}\n"
        yield from _table(fields(part.model_json_schema()))
        for example in part.examples:
            yield f"- `{json.dumps(dict(example.params))}` reads: {_escaped(example.reads)}"


def _environment() -> Iterable[str]:
    yield "# Environment variables\n"
    yield "Read once at start, and checked: what is missing or malformed ends the start with one"
    yield "line that names it. Any of them may stand in a file `.env` beside `manage.py` instead.\n"
    yield "| variable | default | |\n|---|---|---|"
    for name, field in Environment.model_fields.items():
        default = field.default
        if isinstance(default, SecretStr | list) or default in (None, ""):
            shown = ""
        elif isinstance(default, Path):
            shown = f"`{default.relative_to(BASE_DIR)}`"
        else:
            shown = f"`{str(default).lower() if isinstance(default, bool) else default}`"
        numbers = numbers_of(field)
        words = f"{field.description} {numbers[:1].upper()}{numbers[1:]}{'.' if numbers else ''}"
        yield f"| `{name.upper()}` | {shown} | {_escaped(words)} |"


def _commands() -> Iterable[str]:
    yield "# Commands\n"
    yield "Of `manage.py`; `python manage.py NAME --help` says the same."
    for name, app in sorted(get_commands().items()):
        if isinstance(app, str) and not (BASE_DIR / app).is_dir():
            continue  # Django's, or a library's
        command = load_command_class(str(app), name)
        yield f"\n## {name}\n\n{_escaped(command.help)}\n"
        yield from _arguments(command, name)


def _arguments(command: BaseCommand, name: str) -> Iterable[str]:
    found = [
        action
        for action in command.create_parser("manage.py", name)._actions
        if action.dest not in GENERAL
    ]
    if found:
        yield "| argument | |\n|---|---|"
    for action in found:
        shown = ", ".join(action.option_strings) or action.dest
        yield f"| `{shown}` | {_escaped((action.help or '') % vars(action))} |"


def _api() -> Iterable[str]:
    described = schema()
    yield "# The API's operations\n"
    yield "As `/api/docs` of every installation shows them. How it is spoken: [the API](../api.md)."
    for group, of_group in operations(described).items():
        yield f"\n## {group}"
        for operation in of_group:
            yield f"\n### {operation.method} {operation.path}\n"
            yield f"{_escaped(operation.description)}\n"
            yield from _table(operation.parameters)
            for shape, of_shape in operation.shapes.items():
                yield f"The body, `{shape}`:\n"
                yield from _table(of_shape)
            yield "Answers: " + "; ".join(
                f"{code}: {_escaped(words)}" for code, words in operation.answers
            )


def _table(found: list[Field]) -> Iterable[str]:
    if not found:
        return
    yield "| field | type | needed | |\n|---|---|---|---|"
    for field in found:
        needed = "yes" if field.required else ""
        words = _escaped(field.description)
        yield f"| `{field.name}` | {_escaped(field.type)} | {needed} | {words} |"
    yield ""


def _escaped(words: str) -> str:
    """On one line, and without anything that Markdown would take for its own."""
    plain = " ".join(words.split())
    return "".join(f"\\{sign}" if sign in "|<>{}[]*_$#" else sign for sign in plain)
