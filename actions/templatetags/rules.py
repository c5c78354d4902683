"""What templates say of rules and of time (a builtin: nothing to load)."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from actions import words
from actions.sentence import in_zone
from actions.wizard.questions import spoken
from market.hours import NEW_YORK

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


@register.filter
def in_words(instant: datetime, zone: ZoneInfo) -> str:
    """An instant of long ago, of which only the exact one counts."""
    return in_zone(instant, zone)


@register.filter
def on_day(at: datetime | date) -> str:
    """The market's day of an instant: "2 Jan 2008"."""
    day = at.astimezone(NEW_YORK).date() if isinstance(at, datetime) else at
    return f"{day.day} {day:%b %Y}"


@register.filter
def unbroken(words: str) -> str:
    """Words of which no line ends between a number and its percent sign."""
    return words.replace(" %", "\N{NO-BREAK SPACE}%")


@register.filter
def as_spoken(word: str) -> str:
    """A word of a program, such as a gate's or a refusal's, as people say it."""
    return spoken(word)


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
