"""Rules as lines of JSON, and what each would have done, as lines of JSON. Pure.

A rule has no effect of its own here: it tells, and so fires whenever its trigger does.
"""

import json
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from actions.backtest.run import backtest
from actions.backtest.series import BadSplit, Series, Split, in_words
from actions.backtest.splits import SplitFactor
from actions.effects.notify import Notify
from actions.fields import Symbol
from actions.parts import InvalidRule
from actions.registry import parse_trigger, problems_of
from actions.rules import Rule
from market.hours import TradingCalendar

INVALID = "invalid"  # the status of a line that is no rule
_LONGEST_COOLDOWN = 366 * 86_400  # seconds


def _empty_is_none(value: object) -> object:
    return None if value == "" else value


class RuleLine(BaseModel):
    """One line of a file of rules."""

    model_config = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True)

    id: str | int
    symbol: Annotated[Symbol | None, BeforeValidator(_empty_is_none)] = None
    trigger_type: str
    trigger_params: dict[str, Any]
    start: AwareDatetime
    end: AwareDatetime | None = None
    max_executions: Annotated[int, Field(ge=1, le=1_000_000)] | None = 1
    cooldown_seconds: Annotated[int, Field(ge=0, le=_LONGEST_COOLDOWN)] | None = None
    valid_from: AwareDatetime | None = None
    valid_until: AwareDatetime | date | None = None
    splits: list[tuple[date, SplitFactor]] = []


def answer(
    line: str, number: int, series: Mapping[str, Series], calendar: TradingCalendar
) -> dict[str, Any]:
    """What the rule of a line would have done: its `id`, `fires`, `status` and `reason`.

    A line that is no rule has the status "invalid", and a reason that names the field.
    """
    try:
        asked = RuleLine.model_validate_json(line)
        return _answered(asked, series, calendar)
    except ValidationError as invalid:
        problems = problems_of(invalid)
    except InvalidRule as invalid:
        problems = invalid.errors
    except BadSplit as bad:
        problems = {"splits": str(bad)}
    reason = "; ".join(f"{path}: {words}" if path else words for path, words in problems.items())
    told = {"fires": [], "status": INVALID, "reason": f"Line {number}: {reason}"}
    return {"id": _id_of(line), **told}


def _answered(
    asked: RuleLine, series: Mapping[str, Series], calendar: TradingCalendar
) -> dict[str, Any]:
    rule = _rule(asked, calendar)
    watched = rule.trigger.charted(rule)
    if missing := sorted(watched - series.keys()):
        there = f"there are those of {', '.join(sorted(series))}" if series else "there is no file"
        raise InvalidRule({"symbol": f"No bars of {', '.join(missing)} are given: {there}."})
    if asked.splits and len(watched) != 1:
        raise InvalidRule({"splits": "They are for a rule that watches a symbol."})
    splits: list[Split] = [(day, factor) for day, factor in asked.splits]
    done = backtest(
        rule,
        series,
        start=asked.start,
        end=asked.end,
        splits=dict.fromkeys(watched, splits),
        calendar=calendar,
    )
    return {
        "id": asked.id,
        "fires": [
            {"at": in_words(fire.at), "price": None if fire.price is None else _plain(fire.price)}
            for fire in done.fires
        ],
        "status": str(done.after.status),
        "reason": done.reason,
    }


def _rule(asked: RuleLine, calendar: TradingCalendar) -> Rule:
    until = asked.valid_until
    if until is not None and not isinstance(until, datetime):
        until = calendar.last_close_until(until)
    rule = Rule(
        id=None,
        symbol=asked.symbol,
        trigger=parse_trigger(asked.trigger_type, asked.trigger_params),
        effect=Notify(),
        valid_from=asked.valid_from or asked.start,
        valid_until=until,
        max_executions=asked.max_executions,
        cooldown_seconds=asked.cooldown_seconds,
    )
    rule.trigger.check(rule)
    if asked.end is not None and asked.end < asked.start:
        raise InvalidRule({"end": "It must not be before start."})
    if until is not None and until <= rule.valid_from:
        raise InvalidRule({"valid_until": "It must be later than valid_from, or else start."})
    return rule


def _plain(price: Decimal) -> str:
    return f"{price.normalize():f}"


def _id_of(line: str) -> str | int | None:
    """The id of a line that is wrong in some other way, where it can be told."""
    try:
        id = json.loads(line)["id"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return id if isinstance(id, str | int) and not isinstance(id, bool) else None
