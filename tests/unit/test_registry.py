"""A trigger or an effect is a file: the registry finds it, and holds it to its word."""

import importlib
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import actions
from actions import registry
from actions.parts import InvalidRule, Part
from actions.registry import action_types, parse_effect, parse_trigger, trigger_types
from actions.rules import Effect, Trigger

FOLDER = Path(actions.__file__).parent
PARTS: dict[str, type[Part]] = {**trigger_types(), **action_types()}
SIZES = ("quantity", "amount_usd")


def files(folder: str) -> set[str]:
    found = {path.stem for path in (FOLDER / folder).glob("*.py")}
    return {name for name in found if not name.startswith("_")}


def effect_of(action_type: str, params: Mapping[str, Any]) -> Effect:
    """The effect of an example, whose size is a field of the rule and not in `action_params`."""
    sizes = {name: value for name, value in params.items() if name in SIZES}
    rest = {name: value for name, value in params.items() if name not in SIZES}
    return parse_effect(action_type, sizes=sizes, params=rest)


# --- What is there ---


def test_every_file_in_triggers_is_a_trigger_of_that_name() -> None:
    assert set(trigger_types()) == files("triggers")
    assert {"price_above", "price_below"} <= set(trigger_types())
    for name, part in trigger_types().items():
        assert issubclass(part, Trigger)
        assert part.__module__ == f"actions.triggers.{name}"
        assert part.key() == name


def test_every_file_in_effects_is_an_effect_of_that_name_in_capitals() -> None:
    assert set(action_types()) == {name.upper() for name in files("effects")}
    assert {"BUY", "SELL", "NOTIFY"} <= set(action_types())
    for name, part in action_types().items():
        assert issubclass(part, Effect)
        assert part.__module__ == f"actions.effects.{name.lower()}"
        assert part.trades in (True, False)


@pytest.mark.parametrize("name", sorted(PARTS))
def test_every_part_explains_itself(name: str) -> None:
    part = PARTS[name]
    assert part.title.strip()
    assert part.summary.strip().endswith(".")
    assert (part.__doc__ or "").strip()
    assert len(part.examples) >= 2
    assert len({repr(example.params) for example in part.examples}) == len(part.examples)


@pytest.mark.parametrize("name", sorted(PARTS))
def test_every_parameter_has_a_title_and_a_description(name: str) -> None:
    for parameter, field in PARTS[name].model_fields.items():
        assert field.title, parameter
        assert field.description, parameter
        assert field.description.endswith("."), parameter


@pytest.mark.parametrize("name", sorted(PARTS))
def test_a_part_cannot_be_changed_once_it_is_parsed(name: str) -> None:
    example = PARTS[name].examples[0]
    is_trigger = name in trigger_types()
    part = parse_trigger(name, example.params) if is_trigger else effect_of(name, example.params)
    with pytest.raises(ValueError, match="frozen"):
        setattr(part, next(iter(PARTS[name].model_fields)), None)


@pytest.mark.parametrize(
    ("name", "params", "reads"),
    [
        (name, example.params, example.reads)
        for name, part in trigger_types().items()
        for example in part.examples
    ],
)
def test_a_trigger_reads_as_its_example_says(
    name: str, params: Mapping[str, Any], reads: str
) -> None:
    assert parse_trigger(name, params).describe("AAPL") == reads


@pytest.mark.parametrize("name", sorted(trigger_types()))
def test_every_trigger_says_what_a_chart_draws(name: str) -> None:
    assert trigger_types()[name].annotate is not Trigger.annotate


@pytest.mark.parametrize(
    ("name", "params", "reads"),
    [
        (name, example.params, example.reads)
        for name, part in action_types().items()
        for example in part.examples
    ],
)
def test_an_effect_reads_as_its_example_says(
    name: str, params: Mapping[str, Any], reads: str
) -> None:
    assert effect_of(name, params).describe("AAPL") == reads


# --- What is not ---


@pytest.mark.parametrize("name", ["", "price", "PRICE_ABOVE", "_price_level", "__init__", "os"])
def test_an_unknown_trigger_is_refused_with_those_that_are_known(name: str) -> None:
    with pytest.raises(InvalidRule) as refused:
        parse_trigger(name, {"threshold": "1"})
    assert refused.value.errors.keys() == {"trigger_type"}
    words = refused.value.errors["trigger_type"]
    assert f"“{name}”" in words
    assert words.endswith(f"Use one of: {', '.join(sorted(trigger_types()))}.")


@pytest.mark.parametrize("name", ["", "HOLD", "buy", "_SIZED"])
def test_an_unknown_effect_is_refused_with_those_that_are_known(name: str) -> None:
    with pytest.raises(InvalidRule) as refused:
        parse_effect(name, sizes={"quantity": "1"}, params={})
    assert refused.value.errors.keys() == {"action_type"}
    assert refused.value.errors["action_type"].endswith(
        f"Use one of: {', '.join(sorted(action_types()))}."
    )


def test_an_unknown_name_that_is_long_is_cut_in_the_message() -> None:
    with pytest.raises(InvalidRule) as refused:
        parse_trigger("x" * 10_000, {})
    assert len(refused.value.errors["trigger_type"]) < 1000


# --- Where an error is ---


@pytest.mark.parametrize(
    ("action_type", "sizes", "params", "path"),
    [
        ("BUY", {"quantity": "-1"}, {}, "quantity"),
        ("BUY", {"amount_usd": "0.001"}, {}, "amount_usd"),
        ("BUY", {}, {}, "quantity"),
        ("BUY", {"quantity": "1", "amount_usd": "1"}, {}, "quantity"),
        ("BUY", {"quantity": "1"}, {"fraction": "1"}, "action_params.fraction"),
        ("BUY", {"quantity": "1"}, {"quantity": "1"}, "action_params.quantity"),
        ("SELL", {"amount_usd": "1"}, {"amount_usd": "1"}, "action_params.amount_usd"),
        ("SELL", {}, {"fraction": "2"}, "action_params.fraction"),
        ("NOTIFY", {}, {"message": "x" * 501}, "action_params.message"),
        ("NOTIFY", {}, {"message": 5}, "action_params.message"),
        ("NOTIFY", {}, {"mesage": "x"}, "action_params.mesage"),
        ("NOTIFY", {"quantity": "1"}, {}, "quantity"),
    ],
)
def test_an_error_is_shown_at_the_field_that_is_wrong(
    action_type: str, sizes: dict[str, Any], params: dict[str, Any], path: str
) -> None:
    with pytest.raises(InvalidRule) as refused:
        parse_effect(action_type, sizes=sizes, params=params)
    assert refused.value.errors.keys() == {path}


def test_several_errors_are_shown_together() -> None:
    with pytest.raises(InvalidRule) as refused:
        parse_effect("BUY", sizes={"quantity": "-1", "amount_usd": "x"}, params={"other": 1})
    assert refused.value.errors.keys() == {"quantity", "amount_usd", "action_params.other"}


@pytest.mark.parametrize("size", SIZES)
def test_a_size_among_the_action_params_is_refused(size: str) -> None:
    with pytest.raises(InvalidRule) as refused:
        parse_effect("BUY", sizes={}, params={size: "10"})
    assert f"action_params.{size}" in refused.value.errors


def test_parameters_that_are_no_mapping_are_refused() -> None:
    params: Any = [1]
    with pytest.raises(InvalidRule) as refused:
        parse_trigger("price_above", params)
    assert "trigger_params" in refused.value.errors


# --- Planted modules ---


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of triggers that the registry reads instead of its own."""
    folder = tmp_path / "planted"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    package: ModuleType = importlib.import_module("planted")
    monkeypatch.setattr(registry, "triggers", package)
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "planted"]:
        del sys.modules[name]


def test_a_new_file_is_a_new_trigger_and_touches_no_other(planted: Path) -> None:
    (planted / "moon_phase.py").write_text(
        "from actions.rules import Trigger\n"
        "from actions.triggers.price_above import PriceAbove\n"
        "class MoonPhase(Trigger): ...\n"
    )
    (planted / "_shared.py").write_text("not python: files with an underscore are not read\n")
    found = trigger_types.__wrapped__()
    assert [(name, part.__name__) for name, part in found.items()] == [("moon_phase", "MoonPhase")]


@pytest.mark.parametrize(
    "source",
    [
        "",
        "from actions.triggers.price_above import PriceAbove\n",
        "class MoonPhase: ...\n",
        "from actions.rules import Effect\nclass MoonPhase(Effect): ...\n",
        "from actions.rules import Trigger\nclass Full(Trigger): ...\nclass New(Trigger): ...\n",
    ],
    ids=["empty", "imported only", "no trigger", "an effect", "two"],
)
def test_a_file_that_does_not_hold_exactly_one_part_is_an_error(planted: Path, source: str) -> None:
    (planted / "moon_phase.py").write_text(source)
    with pytest.raises(TypeError, match=r"^planted/moon_phase\.py must hold one Trigger\.$"):
        trigger_types.__wrapped__()


def test_percentages_are_written_as_everywhere_else() -> None:
    parts = [*trigger_types().values(), *action_types().values()]
    said = [example.reads for part in parts for example in part.examples]
    assert any(re.search(r"\d %", words) for words in said)
    assert [words for words in said if re.search(r"\d%", words)] == []
