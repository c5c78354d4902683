"""The form that asks for a backtest of a rule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms

from actions.backtest.books import Costs
from actions.backtest.series import Split
from actions.backtest.settings import numbers_of
from actions.backtest.splits import split_lines
from actions.backtesting.terms import LARGEST_FILE, MOST_SETTINGS, Sessions, Sweep, Wish
from actions.drafting import Draft
from actions.rules import Rule
from actions.wizard.part_form import Spoken
from actions.wizard.questions import questions
from actions.wizard.widgets import UnitInput
from portfolios.forms import BOUNDS, PlainNumber
from portfolios.ledger import Snapshot

_DAY = {"type": "date"}


@dataclass(frozen=True, slots=True)
class Subject:
    """What is to be tested: a rule as it was asked for (`draft`), what its portfolio holds now, and
    the days of which bars are held; None where some are missing."""

    draft: Draft
    rule: Rule
    portfolio: Snapshot
    held: tuple[date, date] | None
    action_id: UUID | None = None

    @property
    def symbols(self) -> list[str]:
        return sorted(self.rule.symbols)


def _number(label: str, unit: str, **more: Any) -> PlainNumber:
    widget = UnitInput(unit, attrs={"inputmode": "decimal", "autocomplete": "off"})
    return PlainNumber(label=label, widget=widget, signs=unit, required=False, **more)


def _percent(label: str, help_text: str) -> PlainNumber:
    return _number(label, "%", min_value=0, decimal_places=6, initial="0", help_text=help_text)


class BacktestForm(Spoken):
    start = forms.DateField(
        label="From", widget=forms.DateInput(attrs=_DAY), error_messages={"required": "Say when."}
    )
    end = forms.DateField(
        label="To",
        widget=forms.DateInput(attrs=_DAY),
        required=False,
        help_text="Empty: until the last bar.",
    )
    commission_usd = _number(
        "Commission",
        "$",
        min_value=0,
        max_digits=14,
        decimal_places=2,
        initial="0",
        help_text="Of each order.",
    )
    commission_percent = _percent("Commission in percent", "Of an order's amount.")
    slippage_percent = _percent("Slippage", "So much worse than the price seen is each fill.")
    parameter = forms.ChoiceField(
        label="Number to try at several values",
        required=False,
        help_text="To see what became of the rule had that number been another.",
    )
    first = _number("First value", "", max_digits=18, decimal_places=6)
    last = _number("Last value", "", max_digits=18, decimal_places=6)
    steps = forms.IntegerField(
        label="How many values",
        required=False,
        min_value=1,
        max_value=MOST_SETTINGS,
        initial=20,
        error_messages=BOUNDS,
        widget=forms.TextInput(attrs={"inputmode": "numeric"}),
        help_text=f"Evenly apart, at most {MOST_SETTINGS}.",
    )
    bars = forms.FileField(
        label="Bars of your own",
        required=False,
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": ".csv,text/csv"}),
        help_text="A CSV file with the columns symbol, timestamp, open, high, low, close and "
        "volume. Empty: the bars that are held here.",
    )
    sessions = forms.ChoiceField(
        label="Sessions of these bars",
        choices=[
            (Sessions.EXCHANGE.value, "Those of the New York exchange"),
            (Sessions.EVERY_DAY.value, "One every day"),
        ],
        required=False,
    )
    splits = forms.CharField(
        label="Splits in these bars",
        required=False,
        max_length=4000,
        strip=False,  # its lines are counted
        widget=forms.Textarea(attrs={"rows": 2, "placeholder": "AAPL 7:1 2014-06-09"}),
        help_text="One a line: the symbol, new to old shares, the first day at the new price. "
        "Prices and shares of the rule are those of the beginning.",
    )
    paths: Mapping[str, str] = {
        **{name: name for name in ("start", "end", "cash", "bars", "splits")},
        "sessions": "sessions",
        **{name: name for name in ("commission_usd", "commission_percent", "slippage_percent")},
        "sweep.parameter": "parameter",
        "sweep.from": "first",
        "sweep.steps": "steps",
        "sweep": "steps",
    }

    def __init__(self, subject: Subject, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._subject = subject
        self._shares: dict[str, str] = {}  # the symbol of each field
        self._add_portfolio()
        self._add_numbers()
        if subject.held is not None:
            first, last = subject.held
            self.fields["start"].initial = max(first, _year_before(last))
            self.fields["end"].initial = last
        for name, field in self.fields.items():
            field.optional = name in {"end", "bars", "splits"}  # type: ignore[attr-defined]

    @property
    def shares(self) -> list[forms.BoundField]:
        """The fields of the shares held at the start."""
        return [self[name] for name in self._shares]

    def clean_bars(self) -> bytes | None:
        file = self.cleaned_data["bars"]
        if not file:
            return None
        if file.size > LARGEST_FILE:
            raise forms.ValidationError(f"Send at most {LARGEST_FILE // 2**20} MB of bars.")
        content: bytes = file.read()
        return content

    def clean_splits(self) -> Mapping[str, Sequence[Split]]:
        try:
            return split_lines(self.cleaned_data["splits"])
        except ValueError as wrong:
            raise forms.ValidationError(str(wrong)) from None

    def clean(self) -> None:
        for name in ("commission_percent", "slippage_percent"):
            if (self.cleaned_data.get(name) or 0) >= 100:
                self.add_error(name, "It must be below 100.")
        if self.cleaned_data.get("parameter"):
            for name in ("first", "last", "steps"):
                if self.cleaned_data.get(name) is None and not self.has_error(name):
                    self.add_error(name, "This is needed to try several values.")

    def wish(self) -> Wish:
        """Of a valid form."""
        given = self.cleaned_data
        costs = ("commission_usd", "commission_percent", "slippage_percent")
        shares = {symbol: given[name] for name, symbol in self._shares.items()}
        return Wish(
            draft=self._subject.draft,
            action_id=self._subject.action_id,
            start=given["start"],
            end=given["end"],
            costs=Costs(*(given[name] or Decimal(0) for name in costs)),
            cash=given.get("cash"),
            holdings={symbol: held for symbol, held in shares.items() if held} if shares else None,
            sweep=self._sweep(),
            bars=given["bars"],
            sessions=Sessions(given["sessions"] or Sessions.EXCHANGE),
            splits=given["splits"],
        )

    def field_of(self, path: str) -> str | None:
        if path.startswith("holdings."):
            symbol = path.removeprefix("holdings.")
            return next((name for name, of in self._shares.items() if of == symbol), None)
        if path.startswith("splits."):
            return "splits"
        return super().field_of("sweep.from" if path.startswith("sweep.values") else path)

    def _sweep(self) -> Sweep | None:
        given = self.cleaned_data
        if not given["parameter"]:
            return None
        return Sweep(
            parameter=given["parameter"],
            first=given["first"],
            last=given["last"],
            steps=given["steps"],
        )

    def _add_portfolio(self) -> None:
        """What there is at the start: asked for of a rule that trades."""
        rule, portfolio = self._subject.rule, self._subject.portfolio
        if not rule.effect.trades:
            return
        self.fields["cash"] = _number(
            "Cash at the start",
            "$",
            min_value=0,
            max_digits=14,
            decimal_places=2,
            initial=f"{portfolio.cash:.2f}",
        )
        for place, symbol in enumerate(sorted(rule.effect.symbols(rule))):
            name = f"shares_{place}"
            self._shares[name] = symbol
            held = portfolio.position(symbol).quantity
            self.fields[name] = _number(
                f"Shares of {symbol} at the start",
                "",
                min_value=0,
                max_digits=20,
                decimal_places=8,
                initial=f"{held.normalize():f}",
            )

    def _add_numbers(self) -> None:
        """The numbers of the trigger that can be tried at several values."""
        trigger = type(self._subject.rule.trigger)
        asked = questions(trigger)
        named = [(name, asked[name].label) for name in numbers_of(trigger)]
        self.fields["parameter"].choices = [("", "None"), *named]  # type: ignore[attr-defined]


def _year_before(day: date) -> date:
    return day.replace(year=day.year - 1, day=min(day.day, 28))
