"""What a plan's credits allow, and which symbols to spend them on. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from market.hours import TradingCalendar

# Of a day's credits, what may be spent before its session opens: pages are read then, too.
BEFORE_OPEN = 0.05
# How far a symbol seems to be from its trigger that has none, and what is added to every distance:
# a symbol at its trigger is asked for some 26 times as often as one a quarter of its price away.
NO_TRIGGER = 0.25
NEAREST = 0.01
STAYS = 0.8
_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Plan:
    """The credits that a minute and a day (UTC) have; None: no limit."""

    per_minute: int
    per_day: int | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    """The credits spent in the minute and on the day that they name."""

    minute: datetime | None = None
    in_minute: int = 0
    day: date | None = None
    on_day: int = 0

    def at(self, now: datetime) -> "Spent":
        """The same, with what belongs to an earlier minute or day forgotten."""
        minute, day = minute_of(now), now.astimezone(UTC).date()
        return Spent(
            minute,
            self.in_minute if self.minute == minute else 0,
            day,
            self.on_day if self.day == day else 0,
        )

    def and_also(self, credits: int) -> "Spent":
        """With so many more (or, below 0, given back)."""
        return Spent(
            self.minute,
            max(0, self.in_minute + credits),
            self.day,
            max(0, self.on_day + credits),
        )

    def as_told(self, plan: Plan, left: int) -> "Spent":
        """At least so much that the minute has no more than `left`: others may use the key too."""
        return Spent(
            self.minute, max(self.in_minute, plan.per_minute - left), self.day, self.on_day
        )


def minute_of(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(second=0, microsecond=0)


def next_minute(now: datetime) -> datetime:
    """When the credits of a minute are replenished."""
    return minute_of(now) + _MINUTE


def next_day(now: datetime) -> datetime:
    """When the credits of a day are replenished."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + _DAY


def credits_left(
    plan: Plan, spent: Spent, now: datetime, calendar: TradingCalendar, *, paced: bool
) -> int:
    """The credits that may be spent at `now`.

    `paced`: a day's credits are spread over its session, so that its last minute is watched as its
    first one is; otherwise (somebody waits for an answer) all that the day has left may be spent.
    """
    spent = spent.at(now)
    left = plan.per_minute - spent.in_minute
    if plan.per_day is not None:
        allowed = plan.per_day
        if paced:
            later = max(0, plan.per_day - plan.per_minute)  # what a first full minute leaves
            allowed = min(plan.per_day, plan.per_minute) + int(later * _share_of_day(now, calendar))
        left = min(left, allowed - spent.on_day)
    return max(0, left)


def _share_of_day(now: datetime, calendar: TradingCalendar) -> float:
    """The part of a day's credits that may be spent by `now`."""
    if calendar.is_open(now):
        opened, closes = _session(now, calendar)
        return max(BEFORE_OPEN, (now - opened) / (closes - opened))
    today = now.astimezone(UTC).date()
    return BEFORE_OPEN if calendar.next_close(now).astimezone(UTC).date() == today else 1.0


def _session(now: datetime, calendar: TradingCalendar) -> tuple[datetime, datetime]:
    closes = calendar.next_close(now)
    return calendar.next_open(calendar.last_close(now)), closes


@dataclass(frozen=True, slots=True)
class Candidate:
    """A symbol that could be asked for: when it was last answered for, how near its trigger is.

    `distance` is a fraction of the price; None: nothing waits for its price.
    """

    symbol: str
    answered_at: datetime | None
    distance: Decimal | None

    def urgency(self, now: datetime) -> float:
        """Grows with age without end, so nobody is passed over for ever."""
        if self.answered_at is None:
            return float("inf")
        distance = NO_TRIGGER if self.distance is None else float(self.distance)
        return (now - self.answered_at).total_seconds() / (distance + NEAREST)


def most_wanted(candidates: Iterable[Candidate], now: datetime, count: int) -> list[str]:
    """The `count` symbols to ask for first: the nearest to a trigger, the longest not asked."""
    ordered = sorted(candidates, key=lambda one: (-one.urgency(now), one.symbol))
    return [candidate.symbol for candidate in ordered[:count]]


def nearest(
    distances: Mapping[str, Decimal | None], staying: Collection[str], count: int
) -> list[str]:
    """The `count` symbols that are nearest to a trigger; those without one are the farthest.

    Those that `staying` names count as nearer by a fifth, so that two that are about as near do
    not change places all the time.
    """

    def rank(symbol: str) -> tuple[float, str]:
        away = distances[symbol]
        far = NO_TRIGGER if away is None else float(away)
        return far * (STAYS if symbol in staying else 1), symbol

    return sorted(distances, key=rank)[:count]


def distance(price: Decimal | None, below: Decimal | None, above: Decimal | None) -> Decimal | None:
    """How far a price is from the nearer of its levels, as a fraction of it; 0 beyond one."""
    ways = []
    if price and below is not None:
        ways.append((price - below) / price)
    if price and above is not None:
        ways.append((above - price) / price)
    return max(Decimal(0), min(ways)) if ways else None
