"""Every component on one page, as the addresses of a site that has nothing else."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path

from actions.meter import meter
from actions.rules import Band
from actions.why import Distance
from market.hours import NEW_YORK
from tradingrules.urls import urlpatterns as site

NOW = datetime(2026, 11, 17, 15, 0, tzinfo=UTC)
KINDS = [("BUY", "Buy"), ("SELL", "Sell")]


class Example(forms.Form):
    kind = forms.ChoiceField(label="What to do", choices=KINDS, widget=forms.RadioSelect)
    threshold = forms.DecimalField(label="Price", help_text="In dollars a share.")
    note = forms.CharField(label="Note", required=False, widget=forms.Textarea)
    side = forms.ChoiceField(label="Side", choices=KINDS)
    plain = forms.ChoiceField(label="Which", choices=KINDS, widget=forms.RadioSelect)
    agree = forms.BooleanField(label="Every time", required=False)


def components(request: HttpRequest) -> HttpResponse:
    messages.success(request, "Paused: Sell 10 AAPL.", extra_tags="undo:/gallery")
    messages.error(request, "That did not work. <b>Try again.</b>")
    form = Example({"kind": "SELL", "threshold": "x"})
    return render(request, "gallery.html", {"form": form, "now": NOW, **_parts()})


def _parts() -> dict[str, Any]:
    days = [(NOW - timedelta(days=n)).date().isoformat() for n in range(40, 0, -1)]
    prices = [[day, str(100 + (n * 7) % 13)] for n, day in enumerate(days)]
    return {
        "zone": NEW_YORK,
        "meters": [_meter("155", below="150"), _meter("149", above="150"), _meter("150", "150")],
        "checks": [
            {"open": False, "words": "The price has $1.20 to go.", "more": "AAPL at $151.20."},
            {"open": False, "waits": True, "words": "The market opens in 3 h 12 min."},
            {"open": True, "words": "The rule is valid."},
        ],
        "page": Paginator(range(400), 20).page(7),
        "steps": [
            {"label": "Action", "url": "/gallery", "done": True},
            {"label": "Target", "url": "/gallery", "here": True},
            {"label": "Trigger", "url": ""},
        ],
        "cards": [
            SimpleNamespace(value=value, title=title, help="Shares.", picture=value.lower())
            for value, title in KINDS
        ],
        "statuses": ["active", "paused", "completed", "cancelled", "failed"],
        "examples": [("/gallery", "Sell 10 AAPL when the price is at or below $150.00, once.")],
        "chart": {
            "prices": prices,
            "levels": [{"value": "95", "role": "trigger", "words": "Sell at or below $95.00"}],
            "lines": [{"points": [[days[3], "97"], [days[30], "99"]], "words": "The stop"}],
            "marks": [{"time": days[20], "kind": "sell", "words": "Sold 10"}],
        },
    }


def _meter(price: str, below: str | None = None, above: str | None = None) -> object:
    band = Band(below=Decimal(below) if below else None, above=Decimal(above) if above else None)
    return meter(band=band, distance=Distance("AAPL", Decimal(price), Decimal("150")))


urlpatterns = [*site, path("gallery", components)]
