"""Splits: which are known of, and what the market's tables say once one has taken effect.

A split concerns prices of before the day on which it takes effect: they are in old shares. Of a
replay, whose days are long past, that is all that is known.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from market.bulk import ask
from market.errors import SplitRefused
from market.hours import NEW_YORK
from market.incidents import settle_doubt
from market.models import AnnouncedSplit, DailyBar, Instrument, Quote
from market.providers.replay import Replay
from market.quotes import PRICE_STEP, Bar

LARGEST = 1000  # new shares for an old one, or old ones for a new one
FARTHEST = timedelta(days=30)  # back: who is later than that, has lived on in the new shares
SAME = timedelta(days=7)  # the same factor twice within these is one split, dated differently

_LOCK = "SELECT FROM market_instrument WHERE symbol = ANY(%s) ORDER BY symbol FOR {} "

_DUE = 'FROM market_announcedsplit WHERE applied_at IS NULL AND "on" <= %s'
_ANY_DUE = f"SELECT {_DUE} LIMIT 1"
_ALL_DUE = f'SELECT * {_DUE} ORDER BY "on", symbol'

# Multiplied first, divided once. A price that would be nothing is the least that there can be.
_PRICE = """
{0} = CASE WHEN {0} IS NOT NULL
           THEN GREATEST(round({0} * %(old)s / %(new)s, 6), 0.000001) END"""
_SHARES = """
{0} = CASE WHEN {0} IS NOT NULL
           THEN LEAST(div({0}::numeric * %(new)s, %(old)s), 9223372036854775807)::bigint END"""


def _statement(table: str, prices: Sequence[str], shares: Sequence[str], before: str) -> str:
    """Rescales these columns of the symbol's rows of before the split."""
    columns = [_PRICE.format(name) for name in prices] + [_SHARES.format(name) for name in shares]
    return f"UPDATE {table} SET {', '.join(columns)} WHERE symbol = %(symbol)s AND {before}"  # noqa: S608 -- constants


# What was seen of a session on both sides of the split is forgotten, but for the present price.
_MIXED = """
UPDATE market_quote SET session_opened = as_of, session_low = price, session_high = price
 WHERE symbol = %(symbol)s AND as_of >= %(starts)s AND session_opened < %(starts)s
"""
_QUOTE = _statement(
    "market_quote",
    ("price", "previous_close", "session_low", "session_high"),
    ("volume",),
    "as_of < %(starts)s",
)
_PAST = _statement("market_pastquote", ("price",), (), "as_of < %(starts)s")
_RANGES = _statement("market_sessionrange", ("low", "high"), (), "opened < %(starts)s")
_BARS = _statement(
    "market_dailybar", ("open", "high", "low", "close"), ("volume",), "session < %(on)s"
)


def announce_split(
    *, symbol: str, factor: Fraction, on: date, now: datetime, source: str
) -> AnnouncedSplit | None:
    """Keeps that `symbol` splits on the day `on`; None where that was known.

    Raises SplitRefused for an unknown symbol, a factor that is none, a day that is long past,
    another factor for the same day, and the same one for a day that is nearly the same.
    """
    if not Instrument.objects.filter(pk=symbol).exists():
        raise SplitRefused("symbol", f"{symbol} is not a symbol that is known here.")
    if factor <= 0 or factor == 1 or not Fraction(1, LARGEST) <= factor <= LARGEST:
        raise SplitRefused("factor", f"{factor} new shares for an old one are no split.")
    if max(factor.numerator, factor.denominator) > 10**9:
        raise SplitRefused("factor", "Write the new and the old shares with fewer digits.")
    if on < now.astimezone(NEW_YORK).date() - FARTHEST and not _is_replay():
        raise SplitRefused("on", f"{on} is more than {FARTHEST.days} days ago.")
    near = AnnouncedSplit.objects.filter(
        instrument=symbol, on__gte=on - SAME, on__lte=on + SAME
    ).order_by("on")
    for known in near:
        if known.on == on and known.factor == factor:
            return None
        if known.on == on or known.factor == factor:
            raise SplitRefused("on", f"{known} is recorded already. Correct the day or the factor.")
    split, is_new = AnnouncedSplit.objects.get_or_create(
        instrument_id=symbol,
        on=on,
        defaults={
            "new_shares": factor.numerator,
            "old_shares": factor.denominator,
            "source": source[:100],
            "announced_at": now,
        },
    )
    return split if is_new else None


def ask_if_splits_are_due(*, now: datetime) -> Callable[[], bool]:
    """Asks whether there are `due_splits`, and gives what is called for the answer
    (`market.bulk.ask`)."""
    due = ask(_ANY_DUE, [_day_of(now)])
    return lambda: bool(due())


def due_splits(*, now: datetime) -> list[AnnouncedSplit]:
    """Those that have taken effect by `now` and are not applied yet, oldest first."""
    return list(AnnouncedSplit.objects.raw(_ALL_DUE, [_day_of(now)]))


def _day_of(now: datetime) -> date:
    return now.astimezone(NEW_YORK).date()


def keep_terms(*, symbols: frozenset[str]) -> None:
    """Keeps splits of these symbols from taking effect until the caller's transaction ends.

    For who writes down what a quote says: it must not commit prices in shares that are no more.
    """
    _lock(sorted(symbols), "SHARE")


def lock_terms(*, symbol: str) -> None:
    """Waits for those who keep the terms of `symbol`, and keeps others out."""
    _lock([symbol], "NO KEY UPDATE")


def takes_effect(*, on: date, now: datetime) -> datetime:
    """The instant from which prices are in new shares."""
    if _is_replay():
        return now + timedelta(days=1)
    return datetime.combine(on, time(), NEW_YORK)


def is_in_new_shares(*, symbol: str, on: date, now: datetime) -> bool:
    """Whether a price of after the split has been accepted before it was recorded."""
    starts = takes_effect(on=on, now=now)
    return Quote.objects.filter(instrument=symbol, as_of__gte=starts).exists()


def rescale_market(*, split: AnnouncedSplit, now: datetime) -> None:
    """Brings what is known of the split's symbol into new shares: its quote, its recent past, the
    ranges of its sessions and its daily bars. A price that was held for the split's sake is
    forgotten: the next one is compared with the new last price.

    The caller has locked the symbol's alert levels, and marks the split as applied.
    """
    starts = takes_effect(on=split.on, now=now)
    on = date.max if _is_replay() else split.on
    params: dict[str, Any] = {
        "symbol": split.instrument_id,
        "new": split.new_shares,
        "old": split.old_shares,
        "starts": starts,
        "on": on,
    }
    bars_too = _bars_are_in_old_shares(split, on)
    with connection.cursor() as cursor:
        for statement in (_MIXED, _QUOTE, _PAST, _RANGES, *([_BARS] if bars_too else [])):
            cursor.execute(statement, params)
    settle_doubt(symbol=split.instrument_id, now=now)


def in_new_shares(bars: Sequence[Bar], splits: Sequence[AnnouncedSplit]) -> tuple[Bar, ...]:
    """A feed's sessions, those of before a split rescaled where the feed has not done so yet."""
    found = tuple(bars)
    for split in splits:
        before = [bar for bar in found if bar.session < split.on]
        after = [bar for bar in found if bar.session >= split.on]
        if before and after and _nearer(before[-1].close, after[0].close, split.factor):
            found = (*(_rescaled(bar, split.factor) for bar in before), *after)
    return found


def applied_splits(*, symbols: Sequence[str], since: date) -> Mapping[str, list[AnnouncedSplit]]:
    """The splits of each symbol that took effect after `since`, oldest first."""
    found: dict[str, list[AnnouncedSplit]] = {}
    applied = AnnouncedSplit.objects.filter(
        instrument__in=symbols, on__gt=since, applied_at__isnull=False
    )
    for split in applied.order_by("on"):
        found.setdefault(split.instrument_id, []).append(split)
    return found


def _lock(symbols: Sequence[str], strength: str) -> None:
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("Terms are kept in a transaction.")
    with connection.cursor() as cursor:
        cursor.execute(_LOCK.format(strength), [list(symbols)])


def _is_replay() -> bool:
    return Replay.name == settings.MARKET_PROVIDER


def _bars_are_in_old_shares(split: AnnouncedSplit, on: date) -> bool:
    """Whether the sessions before the split are as they were traded: a feed may have adjusted them
    by itself. The first price after the split tells, or else the last one before it."""
    bars = DailyBar.objects.filter(instrument=split.instrument_id)
    before = bars.filter(session__lt=on).order_by("-session").first()
    if before is None:
        return False
    if _is_replay():
        return True
    after = bars.filter(session__gte=on).order_by("session").first()
    if after is not None:
        return _nearer(before.close, after.close, split.factor)
    price = Quote.objects.filter(instrument=split.instrument_id).values_list("price", "as_of")
    for last, as_of in price:
        if last is not None and as_of is not None:
            is_new = as_of >= datetime.combine(on, time(), NEW_YORK)
            expected = last if is_new else last / _decimal(split.factor)
            return _nearer(before.close, expected, split.factor)
    return True


def _nearer(before: Decimal, after: Decimal, factor: Fraction) -> bool:
    """Whether two prices across a split differ by its factor rather than hardly."""
    moved = before / after
    return max(moved, 1 / moved) > 1 and abs(moved.ln() - _decimal(factor).ln()) < abs(moved.ln())


def _rescaled(bar: Bar, factor: Fraction) -> Bar:
    by = 1 / _decimal(factor)
    prices = {
        name: max(getattr(bar, name) * by, PRICE_STEP) for name in ("open", "high", "low", "close")
    }
    return replace(bar, **prices, volume=min(int(bar.volume * factor), 2**63 - 1))


def _decimal(factor: Fraction) -> Decimal:
    return Decimal(factor.numerator) / factor.denominator
