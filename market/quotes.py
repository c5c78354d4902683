"""What the market says: a sample, a bar, the levels at which somebody wants to be woken. Pure.

Prices are `Decimal` USD with at most 6 decimals; instants are aware and kept in UTC.
"""

import re
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

from market.hours import NEW_YORK

SYMBOL_PATTERN = r"[A-Z0-9][A-Z0-9._/-]{0,15}"
PRICE_STEP = Decimal("0.000001")
# What the database's columns hold: numeric(18, 6), bigint, varchar(100).
PRICE_MAX = Decimal("999999999999.999999")
VOLUME_MAX = 2**63 - 1
NOTE_LENGTH = 100

# A quote stamped later than this after the present is a mistake of the provider, not a clock's.
CLOCK_SKEW = timedelta(seconds=5)

_is_symbol = re.compile(SYMBOL_PATTERN).fullmatch


class BadQuote(ValueError):
    """A reading that cannot be a price: names the symbol and the value."""


class BadBar(ValueError):
    """A session's bar that cannot have happened: names the symbol, the field and the value."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading of a symbol: what a provider said.

    `price` is the last trade's, `volume` the session's cumulative shares, `previous_close` the
    close before this session. `interpolated`: the price lies on a drawn path, not on a print.
    `note` is the provider's remark, such as the session that is replayed ("2008-10-10").

    Prices are rounded to 6 decimals, `as_of` is turned into UTC. Raises BadQuote.
    """

    symbol: str
    price: Decimal
    as_of: datetime
    volume: int | None = None
    previous_close: Decimal | None = None
    interpolated: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        try:
            _check_symbol(self.symbol)
            _set(self, "price", _price("price", self.price))
            _set(self, "as_of", _utc("as_of", self.as_of))
            if self.volume is not None:
                _check_volume(self.volume)
            if self.previous_close is not None:
                _set(self, "previous_close", _price("previous_close", self.previous_close))
            if len(self.note) > NOTE_LENGTH or "\0" in self.note:
                raise ValueError(f"note {self.note!r} is not text of {NOTE_LENGTH} characters")
        except ValueError as wrong:
            raise BadQuote(f"Quote of {self.symbol!r}: {wrong}") from None


@dataclass(frozen=True, slots=True)
class Bar:
    """One session of one symbol. `at` is the instant at which it closed, `volume` is in shares.

    Prices are rounded to 6 decimals, `at` is turned into UTC. Raises BadBar, also unless
    low <= open, close <= high.
    """

    symbol: str
    at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int

    def __post_init__(self) -> None:
        try:
            _check_symbol(self.symbol)
            _set(self, "at", _utc("timestamp", self.at))
            for name in ("open", "high", "low", "close"):
                _set(self, name, _price(name, getattr(self, name)))
            _check_volume(self.volume)
            self._check_range()
        except ValueError as wrong:
            raise BadBar(f"Bar of {self.symbol!r}: {wrong}") from None

    def _check_range(self) -> None:
        if self.high < self.low:
            raise ValueError(f"high {self.high} is below low {self.low}")
        for name, price in (("open", self.open), ("close", self.close)):
            if not self.low <= price <= self.high:
                raise ValueError(
                    f"{name} {price} is not within low {self.low} and high {self.high}"
                )

    @property
    def session(self) -> date:
        """The trading day that this bar closed: New York's date then."""
        return self.at.astimezone(NEW_YORK).date()


@dataclass(frozen=True, slots=True)
class AlertLevels:
    """The tightest levels anybody asked for: wake at `below` or less, at `above` or more, at a
    session's `volume` or more. None: nobody asked.

    Levels are brought to the grid of prices (6 decimals) without changing which prices reach them,
    and one that no price can reach becomes None. Raises ValueError for what is no finite Decimal.
    """

    below: Decimal | None = None
    above: Decimal | None = None
    volume: int | None = None

    def __post_init__(self) -> None:
        if self.below is not None:
            below = min(max(_finite("below", self.below), Decimal(0)), PRICE_MAX)
            _set(self, "below", below.quantize(PRICE_STEP, ROUND_FLOOR) or None)
        if self.above is not None:
            above = max(_finite("above", self.above), Decimal(0))
            in_reach = above <= PRICE_MAX
            _set(self, "above", above.quantize(PRICE_STEP, ROUND_CEILING) if in_reach else None)
        if self.volume is not None:
            _set(
                self, "volume", self.volume if _whole("volume", self.volume) <= VOLUME_MAX else None
            )


def max_age(tick_seconds: float) -> timedelta:
    """How old a quote may be to count as the present price, polled every `tick_seconds`.

    60 s, or three intervals where that is longer: a quote that missed one poll is late, one that
    missed three is gone.
    """
    return max(timedelta(seconds=60), 3 * timedelta(seconds=tick_seconds))


def is_fresh(as_of: datetime, now: datetime, max_age: timedelta) -> bool:
    """Whether a quote of `as_of` still tells the price at `now`: exactly `max_age` old does."""
    return now - as_of <= max_age


def _set(frozen: object, name: str, value: object) -> None:
    object.__setattr__(frozen, name, value)


def _check_symbol(symbol: object) -> None:
    if not (isinstance(symbol, str) and _is_symbol(symbol)):
        raise ValueError(
            f"symbol {symbol!r} is not 1 to 16 capitals, digits, dots, dashes, slashes"
        )


def _finite(name: str, value: object) -> Decimal:
    # A float would bring its binary error along, and True would be a price of 1.
    if not isinstance(value, Decimal):
        raise ValueError(f"{name} {value!r} is not a Decimal")
    if not value.is_finite():
        raise ValueError(f"{name} {value} is not a number")
    return value


def _price(name: str, value: object) -> Decimal:
    price = _finite(name, value)
    if price <= PRICE_MAX:
        price = price.quantize(PRICE_STEP, ROUND_HALF_EVEN)
    if not 0 < price <= PRICE_MAX:
        raise ValueError(f"{name} {value} is not above 0 and below a trillion, to 6 decimals")
    return price


def _utc(name: str, at: object) -> datetime:
    if not isinstance(at, datetime) or at.utcoffset() is None:
        raise ValueError(f"{name} {at} has no time zone")
    if not MINYEAR < at.year < MAXYEAR:  # by the clocks elsewhere it would be
        raise ValueError(f"{name} {at} is beyond the calendar")
    return at.astimezone(UTC)


def _whole(name: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{name} {value!r} is not a whole number")
    return value


def _check_volume(volume: object) -> None:
    if not 0 <= _whole("volume", volume) <= VOLUME_MAX:
        raise ValueError(f"volume {volume} is not between 0 and {VOLUME_MAX}")
