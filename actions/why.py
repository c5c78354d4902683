"""Why a rule has not fired: each gate with its state, and the distance to go. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from actions.limits import GATES, Gate
from actions.rules import Band, Rule, View
from market.quotes import Sample


@dataclass(frozen=True, slots=True)
class GateState:
    """One gate: whether it is open, and if not, why, and when it opens (None: no instant)."""

    gate: Gate
    open: bool
    reason: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Distance:
    """From the price to the nearest level at which the rule wakes.

    `to_go` is in dollars, above zero where the price must rise; `percent` is of the price.
    """

    symbol: str
    price: Decimal
    level: Decimal

    @property
    def to_go(self) -> Decimal:
        return self.level - self.price

    @property
    def percent(self) -> Decimal:
        return self.to_go * 100 / self.price


def gate_states(rule: Rule, view: View) -> list[GateState]:
    """All gates in the order in which they are asked."""
    states = []
    for gate, ask in GATES.items():
        refused = ask(rule, view)
        if refused is None:
            states.append(GateState(gate, open=True))
        else:
            states.append(GateState(gate, open=False, reason=refused.reason, until=refused.until))
    return states


def nearest(bands: Mapping[str, Band], quotes: Mapping[str, Sample]) -> Distance | None:
    """The level that is nearest to its price in percent, among the bands a rule sleeps in."""
    distances = [
        Distance(symbol, quotes[symbol].price, level)
        for symbol, band in bands.items()
        for level in (band.below, band.above)
        if symbol in quotes and level is not None
    ]
    return min(distances, key=lambda distance: abs(distance.percent), default=None)
