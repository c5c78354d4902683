"""The forms of the steps: what is to happen, to what, when, and within which limits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django import forms

from actions.drafting import Draft
from actions.parts import InvalidRule, Part
from actions.registry import SIZE_COLUMNS, action_types, trigger_types
from actions.rules import Effect, Rule, Trigger
from actions.wizard.part_form import MEASURE, PartForm, Spoken
from actions.wizard.questions import LONGEST, symbol_input
from actions.wizard.widgets import UnitInput
from portfolios.models import Portfolio
from portfolios.money import bare

_ANY_SYMBOL = "AAPL"
_UNITS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400}
_LONGEST_NOTES = 2000


@dataclass(frozen=True, slots=True)
class Asker:
    """Who is asked: their zone, and the portfolios among which they choose, the primary first."""

    zone: ZoneInfo
    portfolios: Sequence[Portfolio]


class ActionForm(Spoken):
    action_type = forms.ChoiceField(
        label="What is to happen?",
        error_messages={"required": "Choose what is to happen."},
        widget=forms.RadioSelect,
    )
    paths = {"action_type": "action_type"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        options = [(key, effect.title) for key, effect in in_order(action_types())]
        self.fields["action_type"].choices = options  # type: ignore[attr-defined]

    def asked(self) -> Mapping[str, Any]:
        return {"action_type": self.cleaned_data["action_type"]}


class TargetForm(PartForm):
    """What an effect does it to, and how much."""

    prefix_of_errors = "action_params"
    paths = {
        "symbol": "symbol",
        "portfolio_id": "portfolio_id",
        **dict.fromkeys(SIZE_COLUMNS, MEASURE),
    }

    def __init__(self, effect: type[Effect], asker: Asker, *args: Any, **kwargs: Any) -> None:
        super().__init__(effect, *args, **kwargs)
        self._effect = effect
        if takes_symbol(effect):
            words = "What is bought or sold." if effect.trades else "What is watched, if anything."
            field = forms.CharField(
                label="Symbol",
                help_text=f"{words} Type a symbol or the name of a company.",
                max_length=LONGEST,
                required=False,
                widget=symbol_input(),
            )
            field.optional = not effect.trades  # type: ignore[attr-defined]
            self.fields = {"symbol": field, **self.fields}
        if len(asker.portfolios) > 1:
            self.fields["portfolio_id"] = forms.ChoiceField(
                label="Portfolio",
                choices=[
                    *([] if effect.trades else [("", "The primary one, if one is needed")]),
                    *((str(one.pk), one.name) for one in asker.portfolios),
                ],
                required=False,
                error_messages={
                    "invalid_choice": "You have no such portfolio. Choose one of these."
                },
            )

    def asked(self) -> Mapping[str, Any]:
        parameters = self.parameters()
        sizes = {name: _decimal(parameters.pop(name, None)) for name in SIZE_COLUMNS}
        chosen = self.cleaned_data.get("portfolio_id")
        return {
            **sizes,
            "action_params": parameters,
            "symbol": self.cleaned_data.get("symbol", "").strip() or None,
            "portfolio_id": UUID(chosen) if chosen else None,
        }


class TriggerForm(Spoken):
    trigger_type = forms.ChoiceField(
        label="When?",
        error_messages={"required": "Choose when it is to happen."},
        widget=forms.RadioSelect,
    )
    paths = {"trigger_type": "trigger_type"}

    def __init__(self, effect: type[Effect], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        options = [(key, trigger.title) for key, trigger in triggers_for(effect)]
        self.fields["trigger_type"].choices = options  # type: ignore[attr-defined]

    def asked(self) -> Mapping[str, Any]:
        return {"trigger_type": self.cleaned_data["trigger_type"]}


class ConditionForm(PartForm):
    """What a trigger waits for."""

    prefix_of_errors = "trigger_params"
    paths = {"symbol": "symbol"}

    def asked(self) -> Mapping[str, Any]:
        return {"trigger_params": self.parameters()}


class LimitsForm(Spoken):
    often = forms.ChoiceField(
        label="How often may it happen?",
        choices=[("once", "Once"), ("times", "Up to a number of times"), ("always", "Every time")],
        initial="once",
        required=False,
        widget=forms.RadioSelect,
    )
    times = forms.CharField(
        label="At most so many times",
        help_text="Empty, unless a number of times is chosen.",
        required=False,
        max_length=LONGEST,
        widget=UnitInput("times", attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )
    pause = forms.CharField(
        label="Pause after each time",
        help_text="So long it does nothing after it has fired.",
        required=False,
        max_length=LONGEST,
        widget=UnitInput("", attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )
    pause_in = forms.ChoiceField(
        label="Pause measured in",
        choices=[(unit, unit.capitalize()) for unit in _UNITS],
        initial="hours",
        required=False,
    )
    begins = forms.DateTimeField(
        label="Begins",
        required=False,
        help_text="Empty: at once.",
        widget=forms.DateTimeInput(format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local"}),
    )
    ends_on = forms.DateField(
        label="Ends on",
        required=False,
        help_text="Empty: never. Without a time it is the close in New York on that day.",
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
    )
    ends_at = forms.TimeField(
        label="Ends at",
        required=False,
        widget=forms.TimeInput(format="%H:%M", attrs={"type": "time"}),
    )
    notes = forms.CharField(
        label="Notes",
        required=False,
        max_length=_LONGEST_NOTES,
        help_text="For yourself.",
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    rehearsal = forms.BooleanField(
        label="Only rehearse it",
        required=False,
        help_text="It watches, fires and tells you as any rule does, but trades nothing. "
        "You can promote it later.",
    )
    paths = {
        "rehearsal": "rehearsal",
        "max_executions": "times",
        "cooldown_seconds": "pause",
        "valid_from": "begins",
        "valid_until": "ends_on",
        "notes": "notes",
    }

    def __init__(self, zone: ZoneInfo, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._zone = zone
        for name, field in self.fields.items():
            field.optional = name not in {"often", "pause_in", "times"}  # type: ignore[attr-defined]
        city = zone.key.rpartition("/")[2].replace("_", " ")
        self.fields["begins"].help_text = f"Empty: at once. In {city} time."
        self.fields["ends_at"].help_text = f"In {city} time."

    def clean_times(self) -> int | None:
        often, text = self.cleaned_data.get("often"), self.cleaned_data["times"]
        if often == "times":
            return _whole(text, "Say how many times, such as 3.")
        # What would be passed over may be what was meant; "1" is once, and in no doubt.
        if text and (often == "always" or bare(text) != "1"):
            chosen = dict(self.fields["often"].choices)  # type: ignore[attr-defined]
            raise forms.ValidationError(
                f"You chose “{chosen[often or 'once']}”. Choose “{chosen['times']}” for this "
                "number to count, or leave it empty."
            )
        return None

    def clean_pause(self) -> int | None:
        text = self.cleaned_data["pause"]
        return _whole(text, "Use a whole number, such as 2.") if text else None

    def clean_begins(self) -> datetime | None:
        begins = self.cleaned_data["begins"]
        return begins.replace(tzinfo=self._zone) if begins else None

    def clean(self) -> None:
        if self.cleaned_data.get("ends_at") and not self.cleaned_data.get("ends_on"):
            self.add_error("ends_on", "Say on which day, or leave the time empty.")

    def asked(self) -> Mapping[str, Any]:
        cleaned = self.cleaned_data
        often, pause = cleaned.get("often") or "once", cleaned.get("pause")
        return {
            "max_executions": {"times": cleaned.get("times"), "always": None}.get(often, 1),
            "cooldown_seconds": pause * _UNITS[cleaned.get("pause_in") or "hours"]
            if pause
            else None,
            "valid_from": cleaned.get("begins"),
            "valid_until": self._end(cleaned.get("ends_on"), cleaned.get("ends_at")),
            "notes": cleaned.get("notes") or None,
            "rehearsal": bool(cleaned.get("rehearsal")),
        }

    def typed_for(self, draft: Draft) -> dict[str, Any]:
        """What would be typed for these limits."""
        found: dict[str, Any] = {"often": "always", "notes": draft.notes or ""}
        found["pause_in"] = self.fields["pause_in"].initial
        if draft.max_executions == 1:
            found["often"] = "once"
        elif draft.max_executions is not None:
            found |= {"often": "times", "times": str(draft.max_executions)}
        if draft.cooldown_seconds:
            seconds = draft.cooldown_seconds
            unit = next(u for u, size in reversed(_UNITS.items()) if seconds % size == 0)
            found |= {"pause": str(seconds // _UNITS[unit]), "pause_in": unit}
        if draft.rehearsal:
            found["rehearsal"] = "on"
        if draft.valid_from:
            found["begins"] = f"{draft.valid_from.astimezone(self._zone):%Y-%m-%dT%H:%M}"
        if isinstance(draft.valid_until, datetime):
            end = draft.valid_until.astimezone(self._zone)
            found |= {"ends_on": f"{end:%Y-%m-%d}", "ends_at": f"{end:%H:%M}"}
        elif draft.valid_until:
            found["ends_on"] = draft.valid_until.isoformat()
        return found

    def _end(self, day: date | None, clock: time | None) -> datetime | date | None:
        if day is None or clock is None:
            return day
        return datetime.combine(day, clock, self._zone)


def in_order[P: Part](parts: Mapping[str, type[P]]) -> list[tuple[str, type[P]]]:
    """As they are offered: trades first, the rest by their titles."""
    return sorted(
        parts.items(), key=lambda each: (not getattr(each[1], "trades", True), each[1].title)
    )


def takes_symbol(effect: type[Effect]) -> bool:
    """Whether its rules name a symbol of their own."""
    try:
        _example(effect).check(_ANY_SYMBOL)
    except InvalidRule:
        return False
    return True


def triggers_for(effect: type[Effect]) -> list[tuple[str, type[Trigger]]]:
    """The triggers that make sense with the effect."""
    return [each for each in in_order(trigger_types()) if _goes_with(effect, each[1])]


def _goes_with(effect: type[Effect], trigger: type[Trigger]) -> bool:
    params = trigger.examples[0].params
    if "symbol" in trigger.model_fields:
        params = {**params, "symbol": _ANY_SYMBOL}
    rule = Rule(
        id=None,
        symbol=_ANY_SYMBOL if takes_symbol(effect) else None,
        trigger=trigger.model_validate(params),
        effect=_example(effect),
        valid_from=datetime.min,  # noqa: DTZ901 -- nobody looks
    )
    try:
        rule.trigger.check(rule)
    except InvalidRule:
        return False
    return True


def _example(effect: type[Effect]) -> Effect:
    return effect.model_validate(effect.examples[0].params)


def _decimal(text: Any) -> Decimal | None:
    try:
        number = Decimal(text) if text else None
    except InvalidOperation:
        return None
    return number if number is not None and number.is_finite() else None


def _whole(text: str, words: str) -> int:
    text = bare(text)
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise forms.ValidationError(words)
    return int(text)
