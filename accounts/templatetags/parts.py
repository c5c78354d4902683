"""The smallest parts of a page, for every template (a builtin: nothing to load)."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from django import template
from django.contrib.messages.storage.base import Message
from django.core.paginator import Paginator
from django.forms import BoundField
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag
@cache  # a page of rules has some hundred and fifty, of a dozen kinds
def icon(name: str) -> SafeString:
    """A picture beside words that say the same: `{% icon "bell" %}`, one of static/icons.svg."""
    return format_html(
        '<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>',
        static("icons.svg"),
        name,
    )


_STATUS_ICONS = {
    "active": "play",
    "paused": "pause",
    "completed": "check",
    "success": "check",
    "cancelled": "cross",
    "failed": "warn",
    "rehearsal": "rehearsal",
    "done": "check",
    "queued": "clock",
    "running": "past",
}


@register.filter
def status_icon(status: str) -> str:
    return _STATUS_ICONS.get(status, "info")


@register.filter
def undo_path(message: Message) -> str:
    """Where what a message tells of can be undone; empty where it cannot."""
    return next(
        (tag.removeprefix("undo:") for tag in message.tags.split() if tag.startswith("undo:")), ""
    )


@register.filter
def kind_of(field: BoundField) -> str:
    """A class for a field's widget: "checkbox", "select", "text" and so on."""
    return str(field.widget_type)


@register.filter
def is_optional(field: BoundField) -> bool:
    """Whether it may be left empty. A field that says itself what is missing is not required by
    the form, and has `optional` to tell."""
    return bool(getattr(field.field, "optional", not field.field.required))


@register.filter
def pages_around(paginator: Paginator[Any], number: int) -> Iterable[int | str]:
    """The numbers of the pages near `number`, the first and the last, and an ellipsis."""
    return paginator.get_elided_page_range(number, on_each_side=1, on_ends=1)


@register.filter
def newest_first(rows: Sequence[Any]) -> Sequence[Any]:
    return rows[::-1]


@register.filter
def of(found: Mapping[str, Any], key: str) -> Any:
    """What is found under a key that is itself a value; None where there is nothing."""
    return found.get(key)
