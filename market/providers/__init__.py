"""Where quotes come from."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Protocol, runtime_checkable

from market.budget import Plan
from market.hours import TradingCalendar
from market.quotes import Bar, Sample


class Provider(Protocol):
    """A feed of prices, and the calendar of the market it quotes."""

    @property
    def name(self) -> str: ...

    @property
    def calendar(self) -> TradingCalendar: ...

    def fetch(self, symbols: Collection[str], now: datetime) -> list[Sample]:
        """What it says about these symbols at `now`, one sample each.

        A symbol of which it has nothing is absent. May raise anything.
        """
        ...

    def history(
        self, symbols: Collection[str], now: datetime, sessions: int
    ) -> dict[str, tuple[Bar, ...]]:
        """Each symbol's last `sessions` completed sessions, oldest first: those closed by `now`.

        A symbol may have fewer, or be absent. May raise anything.
        """
        ...


@dataclass(frozen=True, slots=True)
class Company:
    """Whose price it is, as the provider says it; a part that it does not say is empty."""

    name: str = ""
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Complaint:
    """Why there is nothing to be had about one symbol.

    `kind` is a word for what is wrong, `words` say it. `lasting`: asking again soon is pointless.
    `exhausted`: the credits ran out in the middle of a batch.
    """

    symbol: str
    kind: str
    words: str
    lasting: bool = False
    exhausted: bool = False


@dataclass(slots=True)
class Quotes:
    """An answer about the present: samples, whose they are, and what was wrong with the others.

    `credits_left` are those of the present minute, where the provider says.
    """

    samples: list[Sample] = field(default_factory=list)
    companies: dict[str, Company] = field(default_factory=dict)
    complaints: list[Complaint] = field(default_factory=list)
    credits_left: int | None = None


@dataclass(slots=True)
class Sessions:
    """An answer about the past: bars oldest first, perhaps with one of the session in progress."""

    bars: dict[str, tuple[Bar, ...]] = field(default_factory=dict)
    complaints: list[Complaint] = field(default_factory=list)
    credits_left: int | None = None


@dataclass(frozen=True, slots=True)
class SaidSplit:
    """A split as a provider tells it: `factor` new shares for each old one, from the day `on`."""

    symbol: str
    factor: Fraction
    on: date
    source: str


@dataclass(slots=True)
class Splits:
    """An answer about splits; what could not be read is left out."""

    splits: list[SaidSplit] = field(default_factory=list)
    credits_left: int | None = None


class FeedFailed(Exception):
    """A request that brought nothing at all. `words` never hold a key.

    `until` is when asking makes sense again, None where the provider did not say. `billed`: it may
    have cost credits.
    """

    def __init__(
        self, kind: str, words: str, *, until: datetime | None = None, billed: bool = False
    ) -> None:
        super().__init__(words)
        self.kind = kind
        self.words = words
        self.until = until
        self.billed = billed


@runtime_checkable
class WebProvider(Protocol):
    """A feed that is asked over the network, within what its plan allows.

    `plan` are the credits, `batch` the most symbols a request may name, `resolution` how coarse the
    instants of its quotes are. Both requests raise FeedFailed.
    """

    @property
    def name(self) -> str: ...

    @property
    def calendar(self) -> TradingCalendar: ...

    @property
    def plan(self) -> Plan: ...

    @property
    def batch(self) -> int: ...

    @property
    def resolution(self) -> timedelta: ...

    def cost(self, symbols: int) -> int:
        """The credits that a request costs that names so many symbols."""
        ...

    def quotes(self, symbols: Collection[str], now: datetime) -> Quotes: ...

    def sessions(self, symbols: Collection[str], now: datetime, count: int) -> Sessions:
        """Each symbol's newest `count` daily bars, adjusted for splits."""
        ...

    def splits_cost(self, symbols: int) -> int:
        """The credits that it costs to ask for the splits of so many symbols."""
        ...

    def splits(self, symbols: Collection[str], now: datetime, first: date, last: date) -> Splits:
        """The splits of these symbols, of which any number may be asked at once, in these days."""
        ...
