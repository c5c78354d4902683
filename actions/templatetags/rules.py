"""What templates say of rules and of time (a builtin: nothing to load)."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from actions import words
from actions.sentence import in_zone

register = template.Library()


@register.simple_tag
def when(instant: datetime, now: datetime, zone: ZoneInfo) -> SafeString:
    """An instant as seen from now, with the exact one on hover and for screen readers."""
    exact = in_zone(instant, zone)
    return format_html(
        '<time datetime="{}" title="{}"><span aria-hidden="true">{}</span>'
        '<span class="unseen">{}</span></time>',
        instant.isoformat(),
        exact,
        words.relative(instant, now),
        exact,
    )


@register.simple_tag
def moment(time: int | str, zone: ZoneInfo | None) -> str:
    """A time of a chart: a day as it is written, or epoch seconds as an instant in `zone`."""
    if isinstance(time, str):
        return time
    return in_zone(datetime.fromtimestamp(time, UTC), zone or ZoneInfo("UTC"))


@register.filter
def span(seconds: float) -> str:
    """So many seconds in their two largest units."""
    return words.span(timedelta(seconds=seconds))
