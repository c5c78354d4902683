"""What the reader may know beside the text. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from chat.phrases.understood import KnownRule
from market.directory import Directory
from market.hours import TradingCalendar


@dataclass(frozen=True, slots=True)
class World:
    """`holdings` and `rules` are None where nobody's are known, which is not the same as none.

    `prices` are the last ones, by symbol, as far as they are known.
    """

    now: datetime
    zone: ZoneInfo
    calendar: TradingCalendar
    directory: Directory
    holdings: Mapping[str, Decimal] | None = None
    rules: Sequence[KnownRule] | None = None
    prices: Mapping[str, Decimal] = field(default_factory=dict)
