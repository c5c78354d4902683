"""The clauses of a sentence, as the grammar finds them. Pure."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from chat.phrases.names import Named
from chat.phrases.spans import Span


@dataclass(frozen=True, slots=True)
class Size:
    """How much: shares, dollars or a part of what is held. `noun`: "shares" or a sign says so.
    `digits`: it was written without a word or a letter such as k."""

    kind: str  # quantity, amount_usd, fraction; or unclear: shares or dollars
    value: Decimal
    noun: bool
    digits: bool = True


@dataclass(frozen=True, slots=True)
class Goods:
    """What is traded. `pronoun`: it is called "it"."""

    size: Size | None = None
    symbol: Named | None = None
    pronoun: bool = False
    preposition: bool = False


@dataclass(frozen=True, slots=True)
class Trade:
    side: str  # BUY, SELL, or CLOSE: sell all
    goods: Goods
    kind: str | None  # LIMIT or STOP


@dataclass(frozen=True, slots=True)
class Distance:
    unit: str  # PCT, MONEY or NUM: points
    value: Decimal


NOTHING = Distance("PCT", Decimal(0))


@dataclass(frozen=True, slots=True)
class Anchor:
    """What a distance is counted from."""

    kind: str  # high, low, cost, previous_close, fixed or average
    span: Span | None = None
    price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Level:
    """The price is above or below one. `mover`: the verb's direction, where it has one."""

    side: str
    price: Decimal
    mover: str | None = None
    cross: bool = False


@dataclass(frozen=True, slots=True)
class Reach:
    """The price gets to one, from whichever side."""

    price: Decimal
    cross: bool = False


@dataclass(frozen=True, slots=True)
class Moved:
    """`at_most`: "drops less than 5 %"."""

    mover: str
    distance: Distance
    at_most: bool = False


@dataclass(frozen=True, slots=True)
class Away:
    mover: str | None
    distance: Distance
    relation: str  # BELOW, ABOVE, FROM or AWAY
    anchor: Anchor


@dataclass(frozen=True, slots=True)
class Volume:
    symbol: Named | None
    shares: Decimal | None = None
    multiple: Decimal | None = None
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Averages:
    short: Span
    long: Span
    direction: str
    kind: str  # sma, ema; or mixed: one of each


@dataclass(frozen=True, slots=True)
class Trail:
    distance: Distance


@dataclass(frozen=True, slots=True)
class When:
    recurring: bool
    symbol: Named | None


@dataclass(frozen=True, slots=True)
class Other:
    """A clause with one value at most; `kind` is its rule's name in the grammar."""

    kind: str
    value: Any = None


Part = (
    Trade | Goods | When | Level | Reach | Moved | Away | Volume | Averages | Trail | Other
)  # fmt: skip
Condition = Level | Reach | Moved | Away | Volume | Averages | Trail
