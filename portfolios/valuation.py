"""What portfolios are worth and were worth: read in a few statements, however much there is."""

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import prod
from operator import attrgetter
from uuid import UUID

from market.arrays import instant_array, uuid_array
from market.bulk import run
from market.hours import NEW_YORK, TradingCalendar
from market.quotes import Bar, Sample
from portfolios.ledger import ZERO, Position
from portfolios.models import Holding, Portfolio, Split
from portfolios.money import QUANTITY_STEP, usd
from portfolios.worth import Change, Traded, Worth, change_since, together, worth

_INSTANT = timedelta(microseconds=1)

# Of what was sold to the last share there is no holding, but a part of the day's change.
_TRADED = """
SELECT traded.*, quote.price, quote.previous_close, quote.as_of
  FROM (SELECT symbol, sum(quantity), sum(amount), bool_or(kind = 'split')
          FROM portfolios_transaction
         WHERE portfolio_id = ANY(%s::uuid[]) AND at > %s AND symbol IS NOT NULL
         GROUP BY symbol) AS traded
  LEFT JOIN market_quote quote USING (symbol)
"""

# The number of the first close that comes after each transaction; after the last one it is a number
# beyond it, and of no close. What a split brings is left out: see `past_values`.
_MOVED = """
SELECT symbol, width_bucket(at, %s::timestamptz[]) AS close,
       COALESCE(sum(quantity) FILTER (WHERE kind <> 'split'), 0), sum(amount)
  FROM portfolios_transaction WHERE portfolio_id = ANY(%s::uuid[])
 GROUP BY symbol, close ORDER BY close
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """What portfolios hold together, and how that has changed since the close at `began`."""

    worth: Worth
    change: Change
    quotes: Mapping[str, Sample]
    names: Mapping[str, str]


def standing(*, portfolios: Collection[Portfolio], began: datetime) -> Standing:
    """What these portfolios hold and are worth together; two statements."""
    held = Holding.objects.filter(portfolio__in=portfolios).select_related("instrument__quote")
    rows = list(held.order_by("instrument"))
    quotes = {row.instrument_id: sample for row in rows if (sample := _sample(row))}
    positions = together(
        (row.instrument_id, Position(row.quantity, row.cost_basis)) for row in rows
    )
    now = worth(
        cash=sum((portfolio.cash for portfolio in portfolios), ZERO),
        positions=positions,
        quotes=quotes,
    )
    traded = {}
    ids = uuid_array(portfolio.pk for portfolio in portfolios)
    for symbol, shares, amount, split, price, close, as_of in run(_TRADED, [ids, began]):
        traded[symbol] = Traded(shares, amount, split)
        if price is not None:
            quotes.setdefault(symbol, Sample(symbol, price, as_of, previous_close=close))
    change = change_since(began=began, now=now, traded=traded, quotes=quotes)
    names = {row.instrument_id: row.instrument.name for row in rows}
    return Standing(now, change, quotes, names)


def day_began(calendar: TradingCalendar, now: datetime) -> datetime:
    """The close from which a day's change is counted: the one before the session in progress, or
    before the last one while the market is closed."""
    last = calendar.last_close(now)
    return last if calendar.is_open(now) else calendar.last_close(last - _INSTANT)


@dataclass(frozen=True, slots=True)
class Past:
    """What portfolios were worth at the closes, oldest first.

    `unknown` says for each symbol at how many closes it was held while no price of it was known:
    those closes are left out.
    """

    values: Sequence[tuple[datetime, Decimal]]
    unknown: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Moves:
    """What was paid, bought and sold before each of some closes: by the number of the close."""

    closes: Sequence[datetime]
    cash: Mapping[int, Decimal]
    shares: Mapping[str, Mapping[int, Decimal]]


def moves_until(*, portfolio_ids: Collection[UUID], closes: Sequence[datetime]) -> Moves:
    """What moved in these portfolios up to each of the closes (oldest first), in one statement."""
    cash: dict[int, Decimal] = {}
    shares: dict[str, dict[int, Decimal]] = {}
    rows = run(_MOVED, [instant_array(closes), uuid_array(portfolio_ids)])
    for symbol, close, quantity, amount in rows:
        cash[close] = cash.get(close, ZERO) + amount
        if symbol is not None:
            shares.setdefault(symbol, {})[close] = quantity
    return Moves(closes, cash, shares)


def past_values(*, moves: Moves, bars: Mapping[str, Sequence[Bar]]) -> Past:
    """The value at each close, at the prices of `bars` (oldest first); one statement.

    A symbol without a bar of that very session counts at its last close before. Bars are adjusted
    for the splits until their newest session, so shares are counted as they are after those.
    """
    closes = moves.closes
    numbers = range(min(moves.cash, default=len(closes)), len(closes))
    values: dict[int, Decimal] = {}
    cash = ZERO
    for number in numbers:
        cash += moves.cash.get(number, ZERO)
        values[number] = cash
    unknown: dict[str, int] = {}
    left_out: set[int] = set()
    splits = _splits(bars)
    for symbol, moved in moves.shares.items():
        prices = _prices_at(closes, bars.get(symbol, ()))
        held = ZERO
        for number in numbers:
            if number in moved:
                factor = _factor_after(closes[number], splits.get(symbol, ()))
                held += moved[number] * factor.numerator / factor.denominator
            price = prices[number]
            if abs(held) < QUANTITY_STEP:
                continue
            if price is None:
                unknown[symbol] = unknown.get(symbol, 0) + 1
                left_out.add(number)
            else:
                values[number] += held * price
    known = [(closes[n], usd(values[n])) for n in numbers if n not in left_out]
    return Past(known, unknown)


def _prices_at(closes: Sequence[datetime], bars: Sequence[Bar]) -> list[Decimal | None]:
    """The last price known at each close; None before the first."""
    places = (bisect_right(bars, close, key=attrgetter("at")) for close in closes)
    return [bars[place - 1].close if place else None for place in places]


def _splits(bars: Mapping[str, Sequence[Bar]]) -> Mapping[str, Sequence[Split]]:
    """The splits for which the bars of each symbol are adjusted."""
    found: dict[str, list[Split]] = {}
    for split in Split.objects.filter(instrument__in=[symbol for symbol in bars if bars[symbol]]):
        if split.on <= bars[split.instrument_id][-1].session:
            found.setdefault(split.instrument_id, []).append(split)
    return found


def _factor_after(close: datetime, splits: Sequence[Split]) -> Fraction:
    """How many shares there are by now of one that was held at `close`."""
    day = close.astimezone(NEW_YORK).date()
    later = (Fraction(each.new_shares, each.old_shares) for each in splits if each.on > day)
    return prod(later, start=Fraction(1))


def _sample(holding: Holding) -> Sample | None:
    quote = getattr(holding.instrument, "quote", None)  # a symbol may have no row of quotes yet
    return quote.sample() if quote else None
