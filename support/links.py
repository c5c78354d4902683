"""Links from a row to those that belong to it."""

from django.db.models import Model
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString


def link(row: Model | None, words: object = None) -> SafeString | str:
    """A link to the page of a row, which says `words`, or else what the row says of itself."""
    if row is None:
        return "-"
    return format_html('<a href="{}">{}</a>', row_url(row), words or row)


def row_url(row: Model) -> str:
    """The address of a row's page."""
    name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    return reverse(name, args=[row.pk])


def list_url(model: type[Model], **query: str) -> str:
    """The address of a model's list, filtered or searched (`q`) by `query`."""
    path = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return f"{path}?{urlencode(query)}" if query else path


def list_link(model: type[Model], words: str, **query: str) -> SafeString:
    """A link to `list_url` that says `words`."""
    return format_html('<a href="{}">{}</a>', list_url(model, **query), words)
