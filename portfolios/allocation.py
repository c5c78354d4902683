"""How a portfolio is divided, as a picture: a bar whose slices are as wide as the weights. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from portfolios.ledger import ZERO
from portfolios.worth import Worth

MOST_SLICES = 6  # of holdings; the smallest of more are one slice
_WIDE_ENOUGH = Decimal(12)  # percent, for the label to stand in it


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of the bar, in percent: where it begins, and its width. `look` names its colour."""

    label: str
    begin: Decimal
    width: Decimal
    look: str

    @property
    def middle(self) -> Decimal:
        return self.begin + self.width / 2

    @property
    def labelled(self) -> bool:
        return self.width >= _WIDE_ENOUGH


def allocation(worth: Worth) -> Sequence[Slice]:
    """The slices, the largest holding first and the cash last; none of an empty portfolio."""
    if not worth.value:
        return []
    weights = [(held.symbol, held.weight) for held in worth.holdings if held.weight]
    parts = [
        (symbol, weight, f"slice-{n}")
        for n, (symbol, weight) in enumerate(weights[:MOST_SLICES], start=1)
    ]
    if rest := weights[MOST_SLICES:]:
        parts.append(
            (f"{len(rest)} others", sum((weight for _, weight in rest), ZERO), "slice-rest")
        )
    if worth.cash:
        parts.append(("Cash", worth.cash_weight, "slice-cash"))
    slices = []
    begin = ZERO
    for label, weight, look in parts:
        slices.append(Slice(label, _place(begin), _place(weight), look))
        begin += weight
    return slices


def _place(percent: Decimal) -> Decimal:
    return percent.quantize(Decimal("0.01"))
