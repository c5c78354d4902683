"""From a condition in words to a trigger and its parameters. Pure.

Every function returns the trigger's type with its parameters, or asks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import singledispatch
from typing import Any

from chat.phrases.parts import (
    Averages,
    Away,
    Condition,
    Distance,
    Level,
    Moved,
    Reach,
    Trail,
    Volume,
)
from chat.phrases.spans import Span
from chat.phrases.understood import Question

Trigger = tuple[str, dict[str, Any]]

SESSIONS = {"day": 1, "session": 1, "week": 5, "month": 21, "quarter": 63, "year": 252}
WEEKS_A_YEAR = 52
_MOST = {"d": 400, "h": 24, "m": 1440}
_DIRECTIONS = {"FALL": "down", "RISE": "up", "MOVE": "either"}


@dataclass(frozen=True, slots=True)
class Setting:
    """What a condition is read in: what is to be done, the last price where it is known, and the
    window that another clause gives."""

    side: str  # BUY, SELL or NOTIFY
    price: Decimal | None
    window: Span | None
    recurring: bool


@singledispatch
def trigger_of(condition: Condition, setting: Setting) -> Trigger:
    raise TypeError(f"{condition!r} is no condition.")


@trigger_of.register
def _level(level: Level, setting: Setting) -> Trigger:
    against = {"FALL": "ABOVE", "RISE": "BELOW"}.get(level.mover or "")
    if level.side == against:
        raise Question(
            f"A price that {'falls' if level.mover == 'FALL' else 'rises'} and is "
            f"{level.side.lower()} {_usd(level.price)}: which do you mean, at or above "
            f"it, or at or "
            "below it?"
        )
    # "Every time it drops below" happens anew only after the price has been above again.
    return price_level(level.side, level.price, cross=level.cross or setting.recurring)


def price_level(side: str, price: Decimal, *, cross: bool = False) -> Trigger:
    if price <= 0:
        raise Question("A price is more than zero. At which price?")
    params: dict[str, Any] = {"threshold": price}
    if cross:
        params["on"] = "cross"
    return ("price_above" if side == "ABOVE" else "price_below"), params


@trigger_of.register
def _reach(reach: Reach, setting: Setting) -> Trigger:
    last, cross = setting.price, reach.cross or setting.recurring
    if last is None or last == reach.price:
        raise Question(
            f"Do you mean when the price rises to {_usd(reach.price)} or when it falls to it? "
            f"Say “at or above {_usd(reach.price)}” or “at or below {_usd(reach.price)}”."
        )
    return price_level("ABOVE" if last < reach.price else "BELOW", reach.price, cross=cross)


@trigger_of.register
def _moved(moved: Moved, setting: Setting) -> Trigger:
    if moved.at_most:
        raise Question(
            "A rule waits until the price has moved so far, not for a move that stays below it. "
            "Such as “falls 5 %” or “falls below $150”: which is meant?"
        )
    if moved.distance.unit != "PCT":
        raise Question(
            "A move by an amount is not something to wait for. Say the price itself, such as "
            "“below $150”, or a percentage, such as “falls 5 %”."
        )
    params = {
        "change": moved.distance.value,
        "direction": _DIRECTIONS[moved.mover],
        "window": window(setting.window),
    }
    return "change_pct", params


def window(span: Span | None) -> str:
    """A span as `change_pct` counts it. Asks about one that it cannot look back over."""
    if span is None:
        return "1d"
    unit = span.unit[0] if span.unit in ("hour", "minute") else "d"
    count = span.count * SESSIONS.get(span.unit, 1)
    if span.unit == "second" or not 1 <= count <= _MOST[unit]:
        raise Question(
            "A change is counted over 1 minute to 24 hours, or over 1 to 400 sessions. "
            "Over how long, such as “in 5 days”?"
        )
    return f"{count}{unit}"


def sessions(span: Span) -> int:
    """How many sessions a span has: 52 weeks are a year."""
    if span == Span(WEEKS_A_YEAR, "week"):
        return SESSIONS["year"]
    if span.unit not in SESSIONS:
        raise Question("Say it in days, weeks or months, such as “20-day”.")
    return span.count * SESSIONS[span.unit]


@trigger_of.register
def _away(away: Away, setting: Setting) -> Trigger:
    readers = {
        "high": _from_high,
        "low": _from_low,
        "cost": _from_cost,
        "previous_close": _from_close,
        "fixed": _from_price,
    }
    if away.anchor.kind not in readers:
        raise Question("That is not something to count from. Say a price, such as “below $150”.")
    return readers[away.anchor.kind](away)


def _direction(away: Away) -> str:
    """down or up: by the verb or by "below" and "above", which must not contradict each other."""
    by_verb = {"FALL": "down", "RISE": "up"}.get(away.mover or "")
    by_word = {"BELOW": "down", "ABOVE": "up"}.get(away.relation)
    if by_verb and by_word and by_verb != by_word:
        raise Question("Above it or below it: which do you mean?")
    if found := by_verb or by_word:
        return found
    raise Question("Above it or below it: which do you mean?")


def _from_high(away: Away) -> Trigger:
    if away.relation == "ABOVE" or away.mover == "RISE":
        raise Question("A rule can wait for a price below its high, not above. How far below?")
    span = away.anchor.span
    if span is None:
        return trailing(away.distance)
    if away.distance.unit != "PCT":
        raise Question("How far below its high, in percent? Such as “5 % below its 20-day high”.")
    return "from_high", {"percent": away.distance.value, "lookback": sessions(span)}


def _from_low(away: Away) -> Trigger:
    if away.anchor.span is not None or away.relation == "BELOW" or away.mover == "FALL":
        raise Question(
            "A rule can follow the low from now on and wait for a rise from it, such as “rises 5 % "
            "from its low”; it does not know lows of the past."
        )
    kind, params = trailing(away.distance)
    return kind, {**params, "direction": "up"}


def _from_cost(away: Away) -> Trigger:
    if away.distance.unit != "PCT":
        raise Question("How far from what you paid, in percent? Such as “8 % below what I paid”.")
    return "from_cost", {"percent": away.distance.value, "direction": _direction(away)}


def _from_close(away: Away) -> Trigger:
    if away.distance.unit != "PCT":
        raise Question("How far from the previous close, in percent? Such as “down 3 %”.")
    either = away.relation == "AWAY" and away.mover in (None, "MOVE")
    params = {
        "change": away.distance.value,
        "direction": "either" if either else _direction(away),
        "window": window(away.anchor.span),
    }
    return "change_pct", params


def _from_price(away: Away) -> Trigger:
    """5 % below 150 is a price: 142.50."""
    base, direction = away.anchor.price or Decimal(0), _direction(away)
    off = away.distance.value
    if away.distance.unit == "PCT":
        off = base * off / 100
    price = base - off if direction == "down" else base + off
    return price_level("BELOW" if direction == "down" else "ABOVE", round(price, 6).normalize())


@trigger_of.register
def _volume(volume: Volume, setting: Setting) -> Trigger:
    if volume.multiple is None:
        if volume.shares is None:
            raise Question("How much volume? Such as “above 100M” or “above twice its average”.")
        return "volume_above", {"threshold": volume.shares}
    params: dict[str, Any] = {"multiple": volume.multiple}
    if volume.span:
        params["lookback"] = sessions(volume.span)
    return "volume_above", params


@trigger_of.register
def _averages(averages: Averages, setting: Setting) -> Trigger:
    if averages.kind == "mixed":
        raise Question("Two averages of one kind can cross here. Both simple, or both exponential?")
    short, long = sessions(averages.short), sessions(averages.long)
    direction = averages.direction
    if short == long:
        raise Question("Which two averages? Such as “the 50-day crosses above the 200-day”.")
    if short > long:  # the long one crosses above the short one: the short one gets below
        short, long = long, short
        direction = {"up": "down", "down": "up"}.get(direction, direction)
    params = {"short": short, "long": long, "direction": direction}
    return "ma_cross", params if averages.kind == "sma" else {**params, "kind": "ema"}


@trigger_of.register
def _trail(trail: Trail, setting: Setting) -> Trigger:
    if setting.side == "BUY":
        raise Question(
            "A trailing stop sells. Shall it buy once the price has risen so far from its lowest? "
            "Say “buy ... when it rises 5 % from its low”."
        )
    return trailing(trail.distance)


def trailing(distance: Distance) -> Trigger:
    if distance.unit == "NUM":
        raise Question("Does it trail by percent or by dollars? Such as “by 5 %” or “by $5”.")
    return "trailing_stop", {"percent" if distance.unit == "PCT" else "amount": distance.value}


def contradiction(one: Condition, other: Condition) -> bool:
    """Whether two conditions can never hold together."""
    if not (isinstance(one, Level) and isinstance(other, Level)) or one.side == other.side:
        return False
    levels: Mapping[str, Decimal] = {one.side: one.price, other.side: other.price}
    return levels["ABOVE"] > levels["BELOW"]


def check_limited(condition: Condition) -> None:
    """A limit is a price: "limit sell 5 NVDA trailing 5 %" does not say which."""
    if not isinstance(condition, Level | Reach):
        raise Question(
            "A rule that waits for this trades at the price of then, without a limit. Leave the "
            "limit out, or say a price instead, such as “at or below $150”."
        )


def percent_question(distance: Distance) -> str:
    sign = "$" if distance.unit == "MONEY" else ""
    amount = f"{sign}{distance.value.normalize():f}{'' if sign else '%'}"
    return f"{amount} of what? Such as “falls {amount} in a day” or “{amount} below what I paid”."


def _usd(price: Decimal) -> str:
    return f"${price.normalize():,f}"
