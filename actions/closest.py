"""How near the price came to the thresholds of rules that have not fired."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from typing import Protocol
from uuid import UUID

from actions.parts import InvalidRule
from actions.rules import Rule, Threshold
from market.ranges import PriceRange, price_ranges
from portfolios.money import format_price


@dataclass(frozen=True, slots=True)
class Approach:
    """The price that came nearest to a rule's threshold, as far as prices are known."""

    price: Decimal
    threshold: Decimal
    rising: bool

    @property
    def reached(self) -> bool:
        """Whether the threshold was reached: at a time when the rule could not fire."""
        past = self.price - self.threshold
        return past >= 0 if self.rising else past <= 0

    @property
    def percent(self) -> Decimal:
        """How far away it stayed, in percent of the threshold, rounded up to one decimal."""
        away = abs(self.price - self.threshold) * 100 / self.threshold
        return away.quantize(Decimal("0.1"), ROUND_CEILING)

    def words(self) -> str:
        """A sentence, such as "It came within 0.8 % ($151.20 against $150.00), as far as ..."."""
        prices = f"{format_price(self.price)} against {format_price(self.threshold)}"
        if self.reached:
            return f"The price was there ({prices}) at a time when the rule could not fire."
        return f"It came within {self.percent} % ({prices}), as far as prices were seen."


class Row(Protocol):
    """A rule's row, as a model's instance or as it was leased."""

    @property
    def id(self) -> UUID: ...
    def as_rule(self) -> Rule: ...


def closest_approaches(*, rows: Iterable[Row], now: datetime) -> Mapping[UUID, Approach]:
    """The closest approach of each of these rules since it began. One statement for all of them.

    Absent is a rule that has fired, one whose trigger is no fixed threshold (the level of a
    trailing stop moves, so that "near" at one time is not at another), and one of whose symbol no
    price is known.
    """
    asked = {row.id: found for row in rows if (found := _threshold(row))}
    spans = [
        (str(rule.trigger.symbol or rule.symbol), rule.valid_from) for rule, _ in asked.values()
    ]
    ranges = price_ranges(spans=spans, now=now)
    return {
        id: _approach(threshold, found)
        for (id, (_, threshold)), found in zip(asked.items(), ranges, strict=True)
        if found is not None
    }


def _threshold(row: Row) -> tuple[Rule, Threshold] | None:
    try:
        rule = row.as_rule()
    except InvalidRule:
        return None
    threshold = rule.trigger.threshold_price()
    return (rule, threshold) if threshold and not rule.executions_count else None


def _approach(threshold: Threshold, seen: PriceRange) -> Approach:
    price = seen.high if threshold.rising else seen.low
    return Approach(price, threshold.price, threshold.rising)
