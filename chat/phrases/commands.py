"""What people want done with the rules that they have, and which of them they mean. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, time, timedelta
from decimal import Decimal
from itertools import takewhile
from typing import Any

from chat.phrases import command_checks, limits
from chat.phrases.command_words import STATUSES, VERB_OF
from chat.phrases.goods import which
from chat.phrases.names import Names
from chat.phrases.parts import Other
from chat.phrases.tokens import Token
from chat.phrases.understood import Intent, KnownRule, Question, Understood
from chat.phrases.world import World

_FIRED = re.compile(
    r"\b(fired|executed|triggered|went off|ran|traded|bought|sold|did|gone off)\b", re.I
)
_ALLOWED: Mapping[Intent, frozenset[str]] = {
    Intent.PAUSE: frozenset({"active"}),
    Intent.RESUME: frozenset({"paused", "failed"}),
    Intent.CANCEL: frozenset({"active", "paused"}),
    Intent.UPDATE: frozenset({"active", "paused", "failed"}),
    Intent.EXECUTE: frozenset({"active"}),
    Intent.SIMULATE: frozenset({"active", "paused", "failed"}),
}
_KINDS: Mapping[str, str] = {
    "TRAIL": "trailing_stop",
    "VOLUME": "volume_above",
    "MA": "ma_cross",
    "GOLDEN": "ma_cross",
    "DRIFT": "drift",
    "COST": "from_cost",
}
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_NEW = frozenset({"TO", "UNTIL", "NEXT"})  # after it stands what shall be changed
_SIDES = {"BUY": "BUY", "SELL": "SELL", "CLOSE": "SELL"}
# Beside a verb they say nothing about which rule is meant.
_NOISE = frozenset(
    [
        "SEP",
        "RULE",
        "MY",
        "OF",
        "ON",
        "FOR",
        "ABOUT",
        "IN",
        "WITH",
        "AND",
        "ONLY",
        "PRICE",
        "NOW",
        "IT",
        "THEN",
        "EITHER",
        "TIMES",
        "LIMIT",
    ]
)
_NOISE_WORDS = frozenset(
    [
        "that",
        "which",
        "who",
        "one",
        "ones",
        "existing",
        "current",
        "old",
        "back",
        "off",
        "again",
        "together",
        "setup",
        "threshold",
        "level",
        "limit",
        "percentage",
        "percent",
        "amount",
        "target",
        "new",
        "fire",
        "trigger",
        "would",
        "will",
        "does",
        "happen",
        "if",
        "when",
        "my",
        "the",
        "did",
        "didn't",
        "hasn't",
        "has",
        "not",
        "it",
        "wasn't",
        "isn't",
        "yet",
        "was",
        "is",
        "what",
        "rule's",
    ]
)
_CHANGED = frozenset({"threshold", "percent", "amount", "change", "tolerance_pct", "multiple"})
_PERCENTS = {
    "trailing_stop": "percent",
    "from_high": "percent",
    "from_cost": "percent",
    "change_pct": "change",
    "drift": "tolerance_pct",
}
_PRICES = frozenset({"price_above", "price_below"})


def carried_out(
    intent: Intent, text: str, tokens: Sequence[Token], names: Names, world: World
) -> Understood:
    """The command with the filters of the rule that is meant, or with the rule itself where the
    user's rules are known. Raises Question."""
    command_checks.check_negation(intent, text)
    if intent is Intent.LIST:
        return _listed(text, tokens, names, world)
    filters, rest = _reference(tokens, names)
    if intent is Intent.UPDATE:
        command_checks.check_kept(tokens)
        patch = _patch(rest, filters, world)
        filters["numbers"] = _numbers(takewhile(lambda token: token.type not in _NEW, rest))
    else:
        patch = {}
    filters.pop("quantity", None)
    if intent is Intent.SIMULATE:
        filters |= _simulated(rest, filters)
    elif intent in command_checks.AT_ONCE:
        command_checks.check_at_once(intent, tokens)
        _nothing_left(intent, rest)
        filters["numbers"] = _numbers(rest)
    found = _resolved(intent, filters, patch, world)
    command_checks.check_way(text, found.args.get("action_id"), patch, world.rules or ())
    return found


def _numbers(tokens: Iterable[Token]) -> frozenset[Decimal]:
    """The numbers by which the rule that is meant is known: "the stop at 140"."""
    return frozenset(token.value for token in tokens if token.type in ("NUM", "MONEY", "PCT"))


# --- Listing ---


def _listed(text: str, tokens: Sequence[Token], names: Names, world: World) -> Understood:
    args, _ = _reference(tokens, names)
    args.pop("all", None)
    args.pop("stop", None)
    for word in re.findall(r"[a-z]+", text.lower()):
        if status := STATUSES.get(word):
            args["status"] = status
    command_checks.check_listed(text)
    since = _since(text, world)
    if _FIRED.search(text):
        args |= {"executed_since": since} if since else {"executed": True}
        args.pop("action_type", None)
    elif since:
        args["created_since"] = since
    return Understood(Intent.LIST, "These are the rules that fit.", args)


def _since(text: str, world: World) -> datetime | None:
    today = world.now.astimezone(world.zone).date()
    lowered = text.lower()
    spans = {
        "today": today,
        "yesterday": today - timedelta(days=1),
        "this week": today - timedelta(days=today.weekday()),
        "this month": today.replace(day=1),
        "this year": today.replace(month=1, day=1),
        "last week": today - timedelta(days=today.weekday() + 7),
        "last month": (today.replace(day=1) - timedelta(days=1)).replace(day=1),
    }
    for words, day in spans.items():
        if words in lowered:
            return datetime.combine(day, time(), world.zone)
    if past := re.search(r"\b(?:last|past) (\d{1,3}) (day|week|hour)s?\b", lowered):
        unit = {"day": 1, "week": 7, "hour": 1 / 24}[past[2]]
        return world.now - timedelta(days=int(past[1]) * unit)
    return None


# --- Which rule ---


def _reference(tokens: Sequence[Token], names: Names) -> tuple[dict[str, Any], list[Token]]:
    """What is said about the rule that is meant, and the tokens that say something else."""
    filters: dict[str, Any] = {}
    rest: list[Token] = []
    for token in tokens:
        word = token.text.lower()
        if token.text in _NOISE_WORDS:
            continue
        said = {"quantity": True} if word in ("quantity", "size") else _said(token, names)
        if said.keys() & {"symbol"} and filters.get("symbol", said["symbol"]) != said["symbol"]:
            raise Question("Which one do you mean? It names more than one symbol.")
        filters |= said
        if not said and token.type not in _NOISE and word not in _NOISE_WORDS:
            rest.append(token)
    if filters.get("trigger_type"):
        filters.pop("stop", None)
    return filters, rest


def _said(token: Token, names: Names) -> dict[str, Any]:
    """What one word says about the rule that is meant."""
    if token.type == "SYMBOL":
        if len(token.value.symbols) > 1:
            raise Question(which(token.value.symbols, names))
        return {"symbol": token.value.symbols[0]}
    if token.type in _KINDS:
        return {"trigger_type": _KINDS[token.type]}
    if token.type == "SIDE":
        return {"action_type": _SIDES[token.value]}
    if token.type in ("NOTIFY", "REBALANCE"):
        return {"action_type": token.type}
    if token.type == "STOP":
        return {"stop": True}
    if token.type == "PART" and token.value == "1":
        return {"all": True}
    status = STATUSES.get(token.text.lower())
    return {"status": status} if status else {}


def _nothing_left(intent: Intent, rest: Sequence[Token]) -> None:
    strange = [token for token in rest if token.type in ("WORD", "STRANGE")]
    if strange and intent is not Intent.EXPLAIN:
        raise Question(
            f"I did not understand “{strange[0].text}”. Which rule shall I {VERB_OF[intent]}?"
        )


def _resolved(
    intent: Intent, filters: dict[str, Any], patch: Mapping[str, Any], world: World
) -> Understood:
    verb = VERB_OF[intent]
    stop = filters.pop("stop", False)
    every = filters.pop("all", False)
    numbers: frozenset[Decimal] = filters.pop("numbers", frozenset())
    args: dict[str, Any] = dict(filters)
    if patch:
        args["patch"] = dict(patch)
    if world.rules is None:
        if stop and patch.get("trigger_params", {}).get("threshold") is not None:
            args["trigger_type"] = "price_below"
        if intent is Intent.CANCEL and set(filters) <= {"symbol"} and not (every or stop):
            return Understood(Intent.ASK, f"Which of your rules shall I {verb}?", args)
        if every:
            args["all"] = True
        elif not args:
            raise Question(f"Which of your rules shall I {verb}? Name its symbol, such as AAPL.")
        return Understood(intent, f"I will {verb} the rule that fits.", args)
    fitting = [
        rule for rule in world.rules if _fits(rule, filters, stop) and numbers <= _numbers_of(rule)
    ]
    able = [rule for rule in fitting if rule.status in _ALLOWED.get(intent, {rule.status})]
    return _chosen(intent, able, fitting, every, args)


def _fits(rule: KnownRule, filters: Mapping[str, Any], stop: bool) -> bool:
    if stop and not (
        rule.trigger_type == "trailing_stop"
        or (
            rule.trigger_type in ("price_below", "from_high", "from_cost")
            and rule.action_type == "SELL"
        )
    ):
        return False
    return all(
        getattr(rule, name) == value
        for name, value in filters.items()
        if name in ("symbol", "trigger_type", "action_type", "status")
    )


def _numbers_of(rule: KnownRule) -> frozenset[Decimal]:
    """All that stand in its sentence."""
    return frozenset(Decimal(found.replace(",", "")) for found in _NUMBER.findall(rule.sentence))


def _chosen(
    intent: Intent,
    able: Sequence[KnownRule],
    fitting: Sequence[KnownRule],
    every: bool,
    args: dict[str, Any],
) -> Understood:
    verb = VERB_OF[intent]
    if not fitting:
        return Understood(Intent.NOT_FOUND, "You have no such rule.", args)
    if not able:
        states = ", ".join(sorted({rule.status for rule in fitting}))
        return Understood(
            Intent.NOT_FOUND, f"There is no such rule to {verb}: what fits is {states}.", args
        )
    if every and intent in (Intent.PAUSE, Intent.RESUME, Intent.CANCEL):
        ids = [rule.id for rule in able]
        return Understood(intent, f"I will {verb} {len(ids)} rules.", {**args, "action_ids": ids})
    if len(able) > 1:
        shown = "\n".join(f"- {rule.sentence or rule.id}" for rule in able[:5])
        ids = [rule.id for rule in able]
        return Understood(
            Intent.ASK, f"Which of these shall I {verb}?\n{shown}", {**args, "action_ids": ids}
        )
    rule = able[0]
    _check_patch(rule, args.get("patch", {}))
    words = f"I will {verb} this rule: {rule.sentence}" if rule.sentence else f"I will {verb} it."
    return Understood(intent, words, {**args, "action_id": rule.id})


# --- What shall be changed ---


def _patch(rest: Sequence[Token], filters: Mapping[str, Any], world: World) -> dict[str, Any]:
    tokens = list(rest)
    for position, token in enumerate(tokens):
        if token.type in ("UNTIL", "NEXT"):
            return {"valid_until": _end(tokens[position:], world)}
        if token.type == "TO" or (token.type == "AT" and position + 1 < len(tokens)):
            return _new_value(tokens[position + 1 :], filters, world)
    raise Question("What shall it be changed to? Such as “change my AAPL stop to 145”.")


def _end(tokens: Sequence[Token], world: World) -> datetime:
    kind = "until" if tokens[0].type == "UNTIL" else "following"
    if len(tokens) != 2 or tokens[1].type not in ("DATE", "MOMENT", "CLOCK", "SPAN"):
        raise Question("Until when shall it be valid? Such as “until Friday”.")
    end = limits.validity([Other(kind, tokens[1].value)], world).ends
    if end is None:
        raise Question("Until when shall it be valid? Such as “until Friday”.")
    return end


def _new_value(tokens: Sequence[Token], filters: Mapping[str, Any], world: World) -> dict[str, Any]:
    """The columns that change, by the kind of the value after "to"."""
    kinds = [token.type for token in tokens]
    value = tokens[0].value if tokens else None
    if kinds[:1] in (["DATE"], ["MOMENT"], ["CLOCK"]) and len(tokens) == 1:
        end = limits.validity([Other("until", value)], world).ends
        return {"valid_until": end}
    if kinds == ["NUM", "SHARES"] or (kinds == ["NUM"] and "quantity" in filters):
        return {"quantity": value}
    if "quantity" in filters:
        raise Question("To how many shares? Such as “to 20 shares”.")
    if kinds in (["NUM"], ["MONEY"]) and isinstance(value, Decimal) and value > 0:
        return {"trigger_params": {"threshold": value}}
    if kinds in (["PCT"], ["PCT", "POINTS"]) and isinstance(value, Decimal) and value > 0:
        return {"trigger_params": {_percent_name(filters, world): value}}
    raise Question("What shall it be changed to? Such as “change my AAPL stop to 145”.")


def _percent_name(filters: Mapping[str, Any], world: World) -> str:
    kinds = {filters["trigger_type"]} if "trigger_type" in filters else set()
    if not kinds and world.rules is not None:
        stop = bool(filters.get("stop"))
        kinds = {rule.trigger_type for rule in world.rules if _fits(rule, filters, stop)}
    names = {_PERCENTS.get(kind, "") for kind in kinds}
    if len(names) != 1 or "" in names:
        raise Question(
            "Which percentage shall it change? Such as “change my SPY trailing stop to 6 %”."
        )
    return names.pop()


def _check_patch(rule: KnownRule, patch: Mapping[str, Any]) -> None:
    changed = set(patch.get("trigger_params", {})) & _CHANGED
    if "threshold" in changed and rule.trigger_type not in _PRICES:
        raise Question(
            f"That rule waits for no price: {rule.sentence or rule.trigger_type} "
            "What shall be changed?"
        )
    if changed - {"threshold"} and _PERCENTS.get(rule.trigger_type) not in changed:
        raise Question(f"That rule has no percentage: {rule.sentence} What shall be changed?")


# --- Simulating ---


def _simulated(rest: Sequence[Token], filters: Mapping[str, Any]) -> dict[str, Any]:
    prices = [token.value for token in rest if token.type in ("NUM", "MONEY")]
    if len(prices) > 1:
        raise Question("At which price shall I try it? It names more than one.")
    if not prices:
        return {}
    return {"prices": {filters["symbol"]: prices[0]} if "symbol" in filters else prices[0]}
