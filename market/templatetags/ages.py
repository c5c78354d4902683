"""How long ago something was, in templates."""

from datetime import timedelta

from django import template

register = template.Library()

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


@register.filter
def age(span: timedelta) -> str:
    """In the largest unit that fits, rounded down: "45 s", "3 min", "2 h", "4 d"."""
    seconds = max(0, int(span.total_seconds()))
    size, unit = next((one for one in _UNITS if seconds >= one[0]), _UNITS[-1])
    return f"{seconds // size} {unit}"
