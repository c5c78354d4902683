"""What a form asks for a trigger or an effect: follows from its pydantic schema alone.

A question has a form field, turns what was typed into the parameter (as JSON), and a parameter back
into what would be typed. What is typed is kept as texts; whether it makes sense is for the trigger
or the effect to say.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django import forms
from django.urls import reverse_lazy

from accounts.forms import zones
from actions.parts import Part
from actions.wizard.widgets import OpenSelect, TableField, UnitInput
from portfolios.money import EXACT, bare, plain_number

Schema = Mapping[str, Any]

LONG = 100  # characters from which on a text has lines
LONGEST = 2000
MOST_RADIOS = 4  # options from which on they are a list to choose from

_HUNDRED = Decimal(100)
_UNITS = {"$": "dollars", "%": "percent", "points": "percentage points"}
_MORE_THAN_ALL = "Use 100 % or less."


@dataclass(frozen=True, slots=True)
class Question(ABC):
    """One parameter, as it is asked for."""

    name: str
    schema: Schema
    needed: bool

    @property
    def label(self) -> str:
        return str(self.schema.get("title", self.name))

    @property
    def help(self) -> str:
        return str(self.schema.get("description", ""))

    @abstractmethod
    def field(self) -> forms.Field:
        """The form's field. It is never required: the part itself says what is missing."""

    def parameter(self, typed: Any) -> Any:
        """The parameter, of what the field was cleaned to. None: leave it out."""
        return typed or None

    def typed(self, parameter: Any) -> Any:
        """What would be typed for the parameter."""
        return str(parameter)

    def fault(self, typed: Any) -> str:
        """What is wrong with what was typed, where the part itself would say it in other numbers or
        words than those of the form. Empty: nothing."""
        return ""


class TextQuestion(Question):
    def field(self) -> forms.Field:
        most = int(self.schema.get("maxLength", 0))
        widget = forms.Textarea(attrs={"rows": 3}) if most > LONG else forms.TextInput()
        return forms.CharField(max_length=LONGEST, required=False, widget=widget)


class ZoneQuestion(Question):
    def field(self) -> forms.Field:
        return forms.CharField(
            max_length=LONGEST, required=False, widget=OpenSelect(choices=zones())
        )


class SymbolQuestion(Question):
    """A text of 16 characters at most: completed from the symbols that there are."""

    def field(self) -> forms.Field:
        return forms.CharField(max_length=LONGEST, required=False, widget=symbol_input())

    def parameter(self, typed: Any) -> Any:
        return str(typed).strip().upper() or None


class ClockQuestion(Question):
    def field(self) -> forms.Field:
        widget = forms.TimeInput(format="%H:%M", attrs={"type": "time"})
        return forms.CharField(max_length=LONGEST, required=False, widget=widget)


class NumberQuestion(Question):
    """A number. One from 0 to 1 is a part of something, and asked for in percent."""

    @property
    def _is_part(self) -> bool:
        return self.schema.get("le") == 1

    @property
    def unit(self) -> str:
        description = str(self.schema.get("description", ""))
        if self.is_price or "USD" in description:
            return "$"
        if "percentage point" in description:
            return "points"
        return "%" if self._is_part or "percent" in description else ""

    @property
    def help(self) -> str:
        description = str(self.schema.get("description", ""))
        return in_percent_words(description) if self._is_part else description

    @property
    def is_price(self) -> bool:
        """Whether it is dollars a share (actions.fields.Price)."""
        return (self.schema.get("max_digits"), self.schema.get("decimal_places")) == (18, 6)

    def field(self) -> forms.Field:
        widget = UnitInput(self.unit, attrs={"inputmode": "decimal", "autocomplete": "off"})
        return forms.CharField(max_length=LONGEST, required=False, widget=widget)

    def parameter(self, typed: Any) -> Any:
        text = bare(str(typed))
        return (part_of(text) if self._is_part else text) or None

    def typed(self, parameter: Any) -> Any:
        return in_percent(parameter) if self._is_part else str(parameter)

    def fault(self, typed: Any) -> str:
        text = str(typed or "")
        if strange := [sign for sign in "$%" if sign in text and sign != self.unit]:
            unit = _UNITS.get(self.unit) or self.label.lower()
            return f"Leave out the {strange[0]}, or choose another measure: this one is {unit}."
        return _MORE_THAN_ALL if self._is_part and is_more_than_all(text) else ""


class WholeQuestion(NumberQuestion):
    def field(self) -> forms.Field:
        widget = UnitInput(self.unit, attrs={"inputmode": "numeric", "autocomplete": "off"})
        return forms.CharField(max_length=LONGEST, required=False, widget=widget)


class ChoiceQuestion(Question):
    """One of several words, each with what the description says of it ("up: it has risen.")."""

    def field(self) -> forms.Field:
        said = _said_of(self.schema["enum"], str(self.schema.get("description", "")))
        options = [(word, said.get(word) or spoken(word)) for word in self.schema["enum"]]
        few = len(options) <= MOST_RADIOS
        widget = forms.RadioSelect if few else forms.Select
        return forms.ChoiceField(choices=options, required=False, widget=widget)

    @property
    def help(self) -> str:
        description = str(self.schema.get("description", ""))
        return "" if _said_of(self.schema["enum"], description) else description


class SeveralQuestion(Question):
    """Some words of a list, or one word that stands for a choice of its own."""

    def field(self) -> forms.Field:
        options = [(word, spoken(word)) for word in (*self._alone, *self._words)]
        return forms.MultipleChoiceField(
            choices=options, required=False, widget=forms.CheckboxSelectMultiple
        )

    @property
    def help(self) -> str:
        description = str(self.schema.get("description", ""))
        for word in self._alone:
            description = description.replace(word, spoken(word).lower())
        return description

    def fault(self, typed: Any) -> str:
        if typed is None:  # and said to be wrong already
            return ""
        if not typed:
            return "Choose at least one."
        alone = [spoken(word) for word in self._alone if word in typed]
        return f"Choose {alone[0]}, or others, but not both." if alone and len(typed) > 1 else ""

    def parameter(self, typed: Any) -> Any:
        if len(typed) == 1 and typed[0] in self._alone:
            return typed[0]
        return list(typed)

    def typed(self, parameter: Any) -> Any:
        return [parameter] if isinstance(parameter, str) else list(parameter)

    @property
    def _alone(self) -> Sequence[str]:
        return [kind["const"] for kind in self.schema.get("anyOf", ()) if "const" in kind]

    @property
    def _words(self) -> Sequence[str]:
        kinds = self.schema.get("anyOf", (self.schema,))
        return [word for kind in kinds if "items" in kind for word in kind["items"]["enum"]]


class TableQuestion(Question):
    """Names, each with a number. Numbers from 0 to 1 are asked for in percent."""

    @property
    def _is_part(self) -> bool:
        return bool(self.schema["additionalProperties"].get("le") == 1)

    @property
    def help(self) -> str:
        description = str(self.schema.get("description", ""))
        return in_percent_words(description) if self._is_part else description

    def field(self) -> forms.Field:
        return TableField(unit="%" if self._is_part else "")

    def parameter(self, typed: Any) -> Any:
        rows = [(name.strip().upper(), bare(number)) for name, number in typed]
        if len({name for name, _ in rows}) < len(rows):
            # The table of JSON names each once: the part is to say so of what was typed.
            rows = [(name + " " * n, number) for n, (name, number) in enumerate(rows, start=1)]
        return {name: part_of(number) if self._is_part else number for name, number in rows} or None

    def typed(self, parameter: Any) -> Any:
        number = in_percent if self._is_part else str
        return [(name, number(value)) for name, value in parameter.items()]

    def fault(self, typed: Any) -> str:
        wrong = [name.strip().upper() for name, number in typed or () if is_more_than_all(number)]
        return f"{wrong[0]}: {_MORE_THAN_ALL}" if self._is_part and wrong else ""


def questions(part: type[Part], *, without: Collection[str] = ()) -> dict[str, Question]:
    """What is asked for the part's parameters, by name, in their order."""
    schema = part.model_json_schema()
    needed = schema.get("required", ())
    return {
        name: _question(name, _plain_schema(found), name in needed)
        for name, found in schema["properties"].items()
        if name not in without
    }


def symbol_input() -> forms.TextInput:
    return forms.TextInput(
        attrs={
            "list": "symbols",
            "hx-get": reverse_lazy("action-symbols"),
            "hx-trigger": "input changed delay:200ms",
            "hx-target": "#symbols",
            "hx-swap": "innerHTML",
            "hx-sync": "this:replace",
            "autocomplete": "off",
            "autocapitalize": "characters",
            "spellcheck": "false",
        }
    )


def is_number(text: str) -> bool:
    """Whether it is one that a parameter may be."""
    try:
        plain_number(bare(text))
    except ValueError:
        return False
    return True


def is_more_than_all(percent: str) -> bool:
    """Whether it is a number of percent that is no part."""
    return is_number(percent) and Decimal(bare(percent)) > _HUNDRED


def part_of(percent: str) -> str:
    """60 as 0.6; what is no number stays as it is."""
    if not is_number(percent):
        return percent
    return f"{EXACT.divide(Decimal(percent), _HUNDRED):f}"


def in_percent(part: object) -> str:
    """0.6 as 60."""
    return f"{EXACT.multiply(Decimal(str(part)), _HUNDRED).normalize():f}"


def in_percent_words(description: str) -> str:
    """What is said of a part, without its examples, which count in parts of 1."""
    said = description.partition(":")[0].rstrip(".")
    return f"{said}, in percent: 100 is all of it."


def spoken(word: str) -> str:
    """A word of a program as people say it: "trading_days" is "Trading days"."""
    return word.replace("_", " ").capitalize()


def _question(name: str, schema: Schema, needed: bool) -> Question:
    return _kind(schema)(name, schema, needed)


def _kind(schema: Schema) -> type[Question]:
    kinds = schema.get("anyOf", (schema,))
    types = {kind.get("type") for kind in kinds}
    if "array" in types:
        return SeveralQuestion
    if "number" in types:
        return NumberQuestion
    if types == {"integer"}:
        return WholeQuestion
    if types == {"object"}:
        return TableQuestion
    if "enum" in schema:
        return ChoiceQuestion
    if types == {"string"}:
        return _kind_of_text(schema)
    raise TypeError(f"No form asks for this: {schema}")


def _kind_of_text(schema: Schema) -> type[Question]:
    if schema.get("format") == "timezone":
        return ZoneQuestion
    pattern = str(schema.get("pattern", ""))
    if pattern and re.fullmatch(pattern, "23:59") and not re.fullmatch(pattern, "24:00"):
        return ClockQuestion
    return SymbolQuestion if schema.get("maxLength") == 16 else TextQuestion


def _plain_schema(schema: Schema) -> Schema:
    """The schema of an optional parameter as that of the parameter."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind.get("type") != "null"]
    if len(kinds) == len(schema.get("anyOf", ())):
        return schema
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**rest, **(kinds[0] if len(kinds) == 1 else {"anyOf": kinds})}


def _said_of(words: Sequence[str], description: str) -> dict[str, str]:
    """What the description says of each of the words, where it does of all."""
    parts = re.split(rf"\b({'|'.join(map(re.escape, words))}): ", description)
    said = dict(zip(parts[1::2], parts[2::2], strict=True))
    if set(said) != set(words):
        return {}
    return {word: f"{spoken(word)}: {text.strip()}" for word, text in said.items()}
