"""Form fields that Django does not bring: a number with its unit, and a table of such."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django import forms

ROWS = 4  # that are empty, so that there is room for more
MOST_ROWS = 50
LONGEST_CELL = 60  # characters


class UnitInput(forms.TextInput):
    """A text field with a unit beside it: $ before, others after."""

    template_name = "actions/wizard/unit.html"

    def __init__(self, unit: str, attrs: Mapping[str, Any] | None = None) -> None:
        super().__init__(attrs=dict(attrs or {}))
        self.unit = unit

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        return {**super().get_context(name, value, attrs), "unit": self.unit}


class OpenSelect(forms.Select):
    """A list to choose from, and what was chosen before, be it listed or not."""

    def optgroups(self, name: str, value: list[str], attrs: Any = None) -> Any:
        groups = super().optgroups(name, value, attrs)
        listed = {str(key) for key, _ in self.choices}
        others = (text for text in value if text and text not in listed)
        for place, text in enumerate(others, start=len(groups)):
            option = self.create_option(name, text, text, selected=True, index=place, attrs=attrs)
            groups.append((None, [option], place))
        return groups


class TableInput(forms.Widget):
    """Rows of a name and a number."""

    template_name = "actions/wizard/table.html"
    use_fieldset = True

    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        rows: Sequence[tuple[str, str]] = [*(value or ())]
        empty = [("", "")] * min(ROWS, max(MOST_ROWS - len(rows), 0))
        context = super().get_context(name, None, attrs)
        invalid = (attrs or {}).get("aria-invalid") == "true"
        return {**context, "rows": [*rows, *empty], "unit": self.unit, "invalid": invalid}

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[tuple[str, str]]:
        names, numbers = data.getlist(f"{name}.name"), data.getlist(f"{name}.number")
        rows: Iterable[tuple[str, str]] = zip(names, numbers, strict=False)
        cut = ((one[:LONGEST_CELL], other[:LONGEST_CELL]) for one, other in rows)
        return [(one, other) for one, other in cut if one.strip() or other.strip()]


class TableField(forms.Field):
    def __init__(self, *, unit: str) -> None:
        super().__init__(required=False, widget=TableInput(unit))
