"""What people fill in to move money, to trade, and to say what a portfolio may."""

from decimal import Decimal
from typing import Any, Self
from uuid import UUID, uuid4

from django import forms

from portfolios.ledger import Side
from portfolios.limits import Limits
from portfolios.money import bare, plain_number

NEW_FORM = (
    "This form was sent before, with something else in it, and nothing was done now. "
    "If you mean this as well, send it once more."
)


BOUNDS = {
    "min_value": "Use %(limit_value)s or more.",
    "max_value": "Use %(limit_value)s or less.",
}
_WRONG = {
    "max_digits": "Use at most %(max)d digits.",
    "max_decimal_places": "Use at most %(max)d decimals.",
    "max_whole_digits": "Use at most %(max)d digits before the decimals.",
}


class PlainNumber(forms.DecimalField):
    """A number as people write one, such as 1,234.50. `signs` may stand beside it: "$" before it,
    "%" after it."""

    def __init__(self, *, signs: str = "", **kwargs: Any) -> None:
        self.signs = signs
        kwargs.setdefault("widget", forms.TextInput(attrs={"inputmode": "decimal"}))
        words = dict(_WRONG)
        if (least := kwargs.get("min_value")) is not None:
            words["min_value"] = f"Use {Decimal(least):f} or more."
        super().__init__(error_messages=words, **kwargs)

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str):
            value = bare(value, signs=self.signs)
            try:
                if value:
                    plain_number(value)
            except ValueError as wrong:
                raise forms.ValidationError(str(wrong)) from None
        return super().to_python(value)


def _usd(label: str, **more: Any) -> PlainNumber:
    return PlainNumber(
        label=label,
        signs="$",
        min_value=Decimal("0.01"),
        max_digits=14,
        decimal_places=2,
        **more,
    )


class OnceForm(forms.Form):
    """A form that is carried out once: its key says that it is the same one."""

    key = forms.UUIDField(widget=forms.HiddenInput)

    @classmethod
    def empty(cls, **more: Any) -> Self:
        return cls(initial={"key": uuid4(), **more})

    @property
    def once(self) -> UUID:
        return UUID(str(self.cleaned_data["key"]))

    def renew_key(self) -> None:
        """Makes it another wish, to be shown again with what was typed."""
        self.data = {**{name: self.data[name] for name in self.data}, "key": str(uuid4())}


class MoneyForm(OnceForm):
    amount = _usd("Amount", help_text="In dollars, such as 500 or 1,250.50.")
    note = forms.CharField(
        label="Note", max_length=200, required=False, help_text="Stands beside it in the ledger."
    )


SIDES = [(Side.BUY.value, "Buy"), (Side.SELL.value, "Sell")]
BY = [("quantity", "A number of shares"), ("amount", "An amount of money")]


class TradeForm(OnceForm):
    side = forms.ChoiceField(label="What to do", choices=SIDES, widget=forms.RadioSelect)
    symbol = forms.CharField(label="Symbol", max_length=16)
    quantity = PlainNumber(
        label="Shares",
        required=False,
        min_value=Decimal("0.00000001"),
        max_digits=20,
        decimal_places=8,
        help_text="Such as 10 or 0.125.",
    )
    amount = _usd(
        "Or dollars", required=False, help_text="For as many shares as that is at the price of now."
    )

    def clean_symbol(self) -> str:
        return str(self.cleaned_data["symbol"]).strip().upper()

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        wrong = self.errors.keys() & {"quantity", "amount"}
        if not wrong and (given.get("quantity") is None) == (given.get("amount") is None):
            many = "either shares or dollars, not both"
            self.add_error("quantity", f"Say how much: {many}.")
        return given


class NameForm(forms.Form):
    name = forms.CharField(label="Name", max_length=100)


class LimitsForm(forms.Form):
    """The owner's limits; an empty field is none."""

    order_least = _usd(
        "Least order", required=False, help_text="In dollars; smaller ones are refused."
    )
    order_most = _usd(
        "Largest order", required=False, help_text="In dollars; larger ones are refused."
    )
    day_executions = forms.IntegerField(
        label="Executions a day",
        required=False,
        min_value=1,
        max_value=2_147_483_647,
        error_messages=BOUNDS,
        widget=forms.TextInput(attrs={"inputmode": "numeric"}),
        help_text="How often rules may trade here in a day.",
    )
    day_usd = _usd(
        "Dollars a day", required=False, help_text="How much rules may buy and sell here in a day."
    )

    def clean(self) -> dict[str, Any]:
        least, most = self.cleaned_data.get("order_least"), self.cleaned_data.get("order_most")
        if least is not None and most is not None and most < least:
            self.add_error("order_most", "This is less than the least order: nothing could trade.")
        return self.cleaned_data

    def limits(self) -> Limits:
        return Limits(**self.cleaned_data)
