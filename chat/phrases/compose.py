"""From the clauses of a sentence to the body of a rule: complete, without contradiction. Pure.

Nothing is guessed. What is missing or contradicts is asked, one question at a time.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from actions.parts import InvalidRule
from actions.registry import parse_effect, parse_trigger
from actions.rules import Rule
from chat.phrases import limits
from chat.phrases.conditions import (
    Setting,
    check_limited,
    contradiction,
    percent_question,
    trigger_of,
)
from chat.phrases.goods import CONDITIONS, Subject, subject_of
from chat.phrases.names import Names
from chat.phrases.orders import by_order
from chat.phrases.parts import (
    Condition,
    Goods,
    Moved,
    Other,
    Part,
    Trade,
    Trail,
    When,
)
from chat.phrases.rebalancing import rebalance
from chat.phrases.spans import Span
from chat.phrases.times import clock_params, is_day
from chat.phrases.understood import Question
from chat.phrases.world import World

DAY_SECONDS = 86_400
_EXAMPLE = "Such as “sell 10 AAPL if it drops below 150”."
_EVENTS = frozenset({"price_above", "price_below", "trailing_stop", "time_of_day", "ma_cross"})


def compose(found: Sequence[Part], names: Names, world: World) -> dict[str, Any]:
    """The body of the rule, with the columns' names. Raises Question."""
    clauses = _Clauses(found)
    if clauses.has("or"):
        raise Question("A rule waits for one thing. Write one rule for each; which is the first?")
    if clauses.has("rebalancing") and not clauses.of(Trade):
        return _body(_rebalanced(clauses, names, world), world)
    for unfit in ("ratio", "cash", "drift"):
        if clauses.has(unfit):
            raise Question(
                "Weights belong to a rebalance, such as “keep 60/40 SPY/TLT when it "
                "drifts 5 points”. "
                "What shall it do?"
            )
    if any(isinstance(one, When) and isinstance(next, Trade) for one, next in pairwise(found)):
        # "Tell me if I should sell 10 AAPL": what comes after "if" is what it waits for.
        raise Question(f"What shall it wait for, and what shall it do then? {_EXAMPLE}")
    clauses = _priced(clauses)
    subject = subject_of(clauses.found, names, world)
    return _body(_traded(subject, clauses, world), world)


class _Clauses:
    """The clauses, by what they are."""

    def __init__(self, found: Sequence[Part]) -> None:
        self.found = list(found)

    def has(self, kind: str) -> bool:
        return any(isinstance(part, Other) and part.kind == kind for part in self.found)

    def named(self, *kinds: str) -> list[Other]:
        return [part for part in self.found if isinstance(part, Other) and part.kind in kinds]

    def of[P](self, kind: type[P]) -> list[P]:
        return [part for part in self.found if isinstance(part, kind)]

    @property
    def conditions(self) -> list[Condition]:
        return [part for part in self.found if isinstance(part, CONDITIONS)]

    @property
    def limited(self) -> bool:
        return bool(self.named("LIMIT")) or any(one.kind == "LIMIT" for one in self.of(Trade))

    @property
    def recurring(self) -> bool:
        return self.has("recurring") or any(when.recurring for when in self.of(When))


def _priced(clauses: _Clauses) -> _Clauses:
    """ "Sell 25 shares for $600": where there is a size already, the amount is a price."""
    sized = [
        part
        for part in clauses.found
        if (goods := part.goods if isinstance(part, Trade) else part)
        and isinstance(goods, Goods)
        and goods.size
    ]
    if len(sized) < 2:
        return clauses
    return _Clauses(
        [
            Other("at_price", part.size.value)
            if isinstance(part, Goods)
            and part.preposition
            and part.size
            and part.size.kind == "amount_usd"
            and not part.symbol
            else part
            for part in clauses.found
        ]
    )


# --- Rules that trade or tell ---


def _traded(subject: Subject, clauses: _Clauses, world: World) -> dict[str, Any]:
    if clauses.has("now"):
        raise Question(
            "A rule waits for something; it does not trade at once. When shall it act? "
            "Such as “when it is at or below $150” or “at the open tomorrow”."
        )
    kind, params, dated = _trigger(subject, clauses, world)
    if subject.watched:
        if kind == "time_of_day":
            raise Question(f"What about {subject.watched}? A time of day needs no other symbol.")
        params["symbol"] = subject.watched
    size = subject.size
    body = {
        "action_type": subject.side,
        "symbol": subject.symbol,
        "quantity": size.value if size and size.kind == "quantity" else None,
        "amount_usd": size.value if size and size.kind == "amount_usd" else None,
        "action_params": {"fraction": size.value} if size and size.kind == "fraction" else {},
        "trigger_type": kind,
        "trigger_params": params,
    }
    return body | _limits(kind, clauses, dated, world)


def _trigger(
    subject: Subject, clauses: _Clauses, world: World
) -> tuple[str, dict[str, Any], list[Other]]:
    """The trigger, and the clauses of validity that come with it."""
    conditions = _conditions(subject, clauses)
    moments = clauses.named("moment")
    timed = clauses.named("days") or [m for m in moments if not is_day(m.value)]
    if conditions and timed:
        raise Question("A rule waits for a price or for a time, not for both. Which shall it be?")
    if timed:
        return _timed(subject, clauses, world)
    if not conditions:
        raise Question(_when_question(subject, moments))
    condition = conditions[0]
    setting = Setting(
        subject.side,
        world.prices.get(subject.watched or subject.symbol or ""),
        _window(condition, clauses),
        clauses.recurring,
    )
    if clauses.limited and not isinstance(condition, Other):
        check_limited(condition)
    kind, params = (
        by_order(condition, subject, setting)
        if isinstance(condition, Other)
        else trigger_of(condition, setting)
    )
    return kind, params, _dated(condition, moments, world)


def _when_question(subject: Subject, moments: Sequence[Other]) -> str:
    if moments:
        return "At what time? Such as “at 10:00” or “at the open”."
    what = "tell you" if subject.side == "NOTIFY" else subject.side.lower()
    return f"When shall it {what}? Such as “when it drops below $150” or “every Friday at 10:00”."


def _conditions(subject: Subject, clauses: _Clauses) -> list[Condition | Other]:
    """The one condition, or none. An order's price ("limit 150") is one too."""
    found: list[Condition | Other] = list(clauses.conditions)
    priced = [
        part
        for part in clauses.named("STOP", "TARGET", "LIMIT", "at_price")
        if part.value is not None
    ]
    percents = clauses.named("percent")
    if clauses.has("TRAIL") and len(percents) == 1:
        found.append(Trail(percents[0].value))
    elif percents:
        raise Question(percent_question(percents[0].value))
    elif clauses.has("TRAIL"):
        raise Question("By how much does it trail? Such as “trailing by 5 %”.")
    found += [_order_price(part, clauses) for part in priced]
    if len(found) > 1:
        one, other = found[:2]
        if (
            not isinstance(one, Other)
            and not isinstance(other, Other)
            and contradiction(one, other)
        ):
            raise Question("It cannot be both at once. Which of the two shall it wait for?")
        raise Question("A rule waits for one thing. Which of the two shall it wait for?")
    return found


def _order_price(part: Other, clauses: _Clauses) -> Other:
    """The price with the kind of its order: a stop, a target or a limit."""
    kinds = {marker.kind for marker in clauses.named("STOP", "TARGET", "LIMIT")}
    kinds |= {trade.kind for trade in clauses.of(Trade) if trade.kind}
    if len(kinds) > 1:
        raise Question("Is it a stop or a limit? Say “at or below” or “at or above” the price.")
    return Other(next(iter(kinds), "at_price"), part.value)


def _window(condition: Condition | Other, clauses: _Clauses) -> Span | None:
    """Over how long a change is counted, where a clause says it."""
    if not isinstance(condition, Moved):
        return None
    if clauses.has("this_week"):
        raise Question(
            "A change is counted over a number of days, not since Monday. Such as “in 5 days”, or "
            "say “until Friday” if that is meant."
        )
    spans = [part.value for part in clauses.named("span")]
    if clauses.has("ahead") and not (spans or clauses.has("on_the_day")):
        raise Question(
            "Shall it fall or rise so far on one day, or over all that time? Say “in a day” or “in "
            "5 days”, and for how long the rule is valid, such as “valid for 2 weeks”."
        )
    if len(spans) > 1 or (spans and clauses.has("on_the_day")):
        raise Question("Over how long is the change counted? It says more than one time.")
    return spans[0] if spans else None


def _dated(condition: Condition | Other, moments: Sequence[Other], world: World) -> list[Other]:
    """A day beside a condition: it is valid on that day. "Rises 3 % today" counts since yesterday's
    close, as it would without the word."""
    today = world.now.astimezone(world.zone).date()
    days = [
        moment.value
        for moment in moments
        if not (isinstance(condition, Moved) and moment.value == today)
    ]
    if len(days) > 1:
        raise Question("On which day? It names more than one.")
    if days:
        limits.check_session(days[0], world)
    return limits.on_day(days[0], world) if days else []


# --- Times ---


def _timed(
    subject: Subject, clauses: _Clauses, world: World
) -> tuple[str, dict[str, Any], list[Other]]:
    days = clauses.named("days")
    if clauses.named("span") and not days:  # "in two weeks at 10:00" is no end
        raise Question("On which day? Such as “on March 20 at 10:00”.")
    params, dated = clock_params(clauses.named("moment"), days, subject.side, world)
    return "time_of_day", params, dated


# --- How long and how often ---


def _limits(kind: str, clauses: _Clauses, dated: Sequence[Other], world: World) -> dict[str, Any]:
    spent = _spent_on_the_window(kind, clauses)
    validity = limits.validity(
        [part for part in clauses.named(*limits.CLAUSES) if part not in spent] + list(dated), world
    )
    if clauses.has("forever") and validity.ends:
        raise Question("Until when shall it be valid? It says both a day and without end.")
    cooldown = limits.cooldown_seconds(clauses.named("cooldown"))
    most = _most(kind, clauses, cooldown)
    if cooldown is None and most != 1 and kind not in _EVENTS:
        cooldown = DAY_SECONDS  # else it would fire with every price while it is true
    return {
        "valid_from": validity.starts,
        "valid_until": validity.ends,
        "max_executions": most,
        "cooldown_seconds": cooldown,
    }


def _spent_on_the_window(kind: str, clauses: _Clauses) -> list[Other]:
    return clauses.named("span") if kind == "change_pct" else []


def _most(kind: str, clauses: _Clauses, cooldown: int | None) -> int | None:
    counts = {part.value for part in clauses.named("times")}
    if len(counts) > 1:
        raise Question("How many times may it fire? It says more than one number.")
    count = next(iter(counts), None)
    if count is not None and (count < 1 or count % 1):
        raise Question("How many times may it fire? A whole number, at least once.")
    repeats = clauses.recurring or cooldown is not None
    if count == 1 and repeats:
        raise Question("Once, or every time? It says both.")
    if count is not None:
        return int(count)
    scheduled = kind == "time_of_day" and clauses.has("days")
    return None if repeats or scheduled else 1


# --- Rebalancing ---


def _rebalanced(clauses: _Clauses, names: Names, world: World) -> dict[str, Any]:
    targets, tolerance = rebalance(clauses.found, names)
    moments, days = clauses.named("moment"), clauses.named("days")
    if clauses.conditions:
        raise Question(
            "A rebalance waits for a drift or for a time. Such as “when it drifts 5 "
            "points” or “every "
            "Monday at 10:00”. When shall it be?"
        )
    dated: list[Other] = []
    if tolerance is not None and not (moments or days):
        kind, params = "drift", {"tolerance_pct": tolerance}
    elif tolerance is None and (moments or days):
        params, dated = clock_params(moments, days, "REBALANCE", world)
        kind = "time_of_day"
    else:
        raise Question("When shall it rebalance? Such as “when it drifts 5 points”.")
    body = {
        "action_type": "REBALANCE",
        "symbol": None,
        "quantity": None,
        "amount_usd": None,
        "action_params": {"targets": targets},
        "trigger_type": kind,
        "trigger_params": params,
    }
    found = _limits(kind, clauses, dated, world)
    if kind == "drift" and not clauses.has("times"):  # "keep" means to go on
        found |= {
            "max_executions": None,
            "cooldown_seconds": found["cooldown_seconds"] or DAY_SECONDS,
        }
    return body | found


# --- The rule itself ---


def _body(body: dict[str, Any], world: World) -> dict[str, Any]:
    """The body with every column, once the rule that it makes has been read. Raises Question."""
    try:
        rule_of(body, world.now)
    except InvalidRule as invalid:
        path, words = next(iter(invalid.errors.items()))
        name = path.rpartition(".")[2].replace("_", " ")
        raise Question(f"That {name} cannot be: {words.rstrip('.')}. What shall it be?") from None
    return {**body, "notes": None}


def rule_of(body: Mapping[str, Any], now: datetime) -> Rule:
    """The rule that a body makes. Raises InvalidRule."""
    sizes = {name: body[name] for name in ("quantity", "amount_usd") if body[name] is not None}
    rule = Rule(
        id=None,
        symbol=body["symbol"],
        trigger=parse_trigger(body["trigger_type"], body["trigger_params"]),
        effect=parse_effect(body["action_type"], sizes=sizes, params=body["action_params"]),
        valid_from=body["valid_from"] or now,
        valid_until=body["valid_until"],
        max_executions=body["max_executions"],
        cooldown_seconds=body["cooldown_seconds"],
    )
    rule.effect.check(rule.symbol)
    rule.trigger.check(rule)
    return rule
