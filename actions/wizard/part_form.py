"""A form that asks for the parameters of a trigger or an effect, whichever it is."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django import forms

from actions.parts import Part
from actions.wizard.questions import LONGEST, NumberQuestion, Question, is_number, questions
from actions.wizard.widgets import UnitInput

MEASURE, MEASURED_IN = "measure", "measured_in"  # of parameters of which exactly one is set

Answers = Mapping[str, Sequence[str]]


class Spoken(forms.Form):
    """A form whose errors and hints stand at its fields, and which asks nothing of the browser."""

    use_required_attribute = False
    paths: Mapping[str, str] = {}  # of a rule's errors, to the fields that show them

    def asked(self) -> Mapping[str, Any]:
        """The fields of a Draft, of what was typed."""
        raise NotImplementedError

    def claim(self, errors: Mapping[str, str]) -> dict[str, str]:
        """Shows those of a rule's errors that are of this form's fields; returns the others."""
        rest = {}
        for path, words in errors.items():
            field = self.field_of(path)
            if field is None:
                rest[path] = words
            else:
                self.add_error(field, words)
        return rest

    def field_of(self, path: str) -> str | None:
        """The field at which an error is shown; None where it is another form's."""
        field = self.paths.get(path)
        return field if field in self.fields else None

    def typed(self) -> Answers:
        """What stands in its fields before anything was typed, as answers."""
        found: dict[str, Sequence[str]] = {}
        for name in self.fields:
            found |= as_answers(name, self.get_initial_for_field(self.fields[name], name))
        return found


class PartForm(Spoken):
    """`part` is the trigger or effect, `prefix_of_errors` where the paths of its errors begin."""

    prefix_of_errors: str

    def __init__(
        self, part: type[Part], *args: Any, without: Collection[str] = (), **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.part = part
        asked = questions(part, without=without)
        self._either = {name: asked.pop(name) for name in part.either}
        self._questions = asked
        if self._either:
            self._add_measure()
        # What is needed comes first, the symbol that may be another one last.
        for name, question in sorted(
            asked.items(), key=lambda each: (each[0] == "symbol", not each[1].needed)
        ):
            self._add(name, question)

    def clean(self) -> None:
        for name, question in self._questions.items():
            if fault := question.fault(self.cleaned_data.get(name)):
                self.add_error(name, fault)
        if not self._either or self.has_error(MEASURE):
            return
        measure = self.cleaned_data.get(MEASURE)
        if not measure:
            self.add_error(MEASURE, "Say how much.")
        elif not is_number(measure):
            self.add_error(MEASURE, "Use a plain number, such as 150 or 0.5.")
        elif fault := self._either[self._chosen].fault(measure):
            self.add_error(MEASURE, fault)

    def claim(self, errors: Mapping[str, str]) -> dict[str, str]:
        return super().claim({path: self._of_row(path, words) for path, words in errors.items()})

    def parameters(self) -> dict[str, Any]:
        """What was typed, as parameters; what was left empty is left out."""
        cleaned = self.cleaned_data
        found = {name: q.parameter(cleaned.get(name)) for name, q in self._questions.items()}
        if self._either and cleaned.get(MEASURE):
            found[self._chosen] = self._either[self._chosen].parameter(cleaned[MEASURE])
        return {name: parameter for name, parameter in found.items() if parameter is not None}

    def typed_for(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """What would be typed for these parameters, by field."""
        found = {}
        for name, parameter in parameters.items():
            if name in self._either:
                found[MEASURE] = self._either[name].typed(parameter)
                found[MEASURED_IN] = name
            elif name in self._questions:
                found[name] = self._questions[name].typed(parameter)
        return found

    def prices(self) -> list[str]:
        """The fields that ask for a price and need one."""
        return [
            name
            for name, question in self._questions.items()
            if isinstance(question, NumberQuestion) and question.needed and question.is_price
        ]

    def defaults(self) -> dict[str, Any]:
        """What holds where nothing is said, by field."""
        defaults = {
            name: question.schema["default"]
            for name, question in self._questions.items()
            if question.schema.get("default") not in (None, "")
        }
        return self.typed_for(defaults)

    def usual(self) -> dict[str, Any]:
        """What is typed most: the first example's, and what holds where nothing is said."""
        return self.defaults() | self.typed_for(self.part.examples[0].params)

    def field_of(self, path: str) -> str | None:
        prefix, _, rest = path.partition(".")
        name = rest.partition(".")[0] if prefix == self.prefix_of_errors else ""
        if path == self.prefix_of_errors or name in self._either:
            return MEASURE if self._either else next(iter(self.fields))
        return name if name in self.fields else super().field_of(path)

    @property
    def _chosen(self) -> str:
        """The one of `either` that was typed."""
        return str(self.cleaned_data.get(MEASURED_IN) or self.part.either[0])

    def _of_row(self, path: str, words: str) -> str:
        """The words, with the row that they are about where the field is a table."""
        prefix, _, rest = path.partition(".")
        name, _, row = rest.partition(".")
        in_table = prefix == self.prefix_of_errors and name in self.fields and row.strip()
        return f"{row.strip()[:40]}: {words}" if in_table else words

    def _add(self, name: str, question: Question) -> None:
        field = question.field()
        field.label, field.help_text = question.label, question.help
        field.optional = not question.needed and "default" in question.schema  # type: ignore[attr-defined]
        self.fields[name] = field

    def _add_measure(self) -> None:
        options = [(name, _measured_in(question)) for name, question in self._either.items()]
        said = [f"{question.label}: {question.help}" for question in self._either.values()]
        widget = UnitInput("", attrs={"inputmode": "decimal", "autocomplete": "off"})
        self.fields[MEASURE] = forms.CharField(
            label="How much", max_length=LONGEST, required=False, widget=widget
        )
        self.fields[MEASURE].optional = False  # type: ignore[attr-defined]
        self.fields[MEASURED_IN] = forms.ChoiceField(
            label="Measured in", choices=options, required=False, help_text=" ".join(said)
        )


def _measured_in(question: Question) -> str:
    unit = question.unit if isinstance(question, NumberQuestion) else ""
    return f"{question.label} ({unit})" if unit else question.label


def as_answers(name: str, typed: Any) -> Answers:
    """What was typed into a field, as a browser would send it."""
    if typed is None or typed == "":
        return {}
    if isinstance(typed, list) and typed and isinstance(typed[0], tuple):
        names, numbers = zip(*typed, strict=True)
        return {f"{name}.name": list(names), f"{name}.number": list(numbers)}
    return {name: typed if isinstance(typed, list) else [str(typed)]}
