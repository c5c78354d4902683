"""What people want done with the rules that they have: list, pause, resume, cancel, change, execute,
simulate, explain. Pure."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from chat.phrases import limits
from chat.phrases.days import Dates, Span
from chat.phrases.names import Names
from chat.phrases.parts import Other
from chat.phrases.tokens import Token
from chat.phrases.understood import Intent, KnownRule, Question, Understood
from chat.phrases.world import World

_POLITE = (
    r"(?:(?:please|pls|hey|hi|hello|ok|okay|could you|can you|would you|will you|i want to|i'd like to|"
    r"i would like to|just|kindly|go ahead and|now|and|also|let's|can i|could i|may i)[\s,]+)*"
)
_RULES = r"(?:rules?|alerts?|actions?|orders?|stops?|automations?|reminders?|triggers?|trailing|limits?|notifications?)"

# The first that fits. What follows the verb is read as the rule that is meant.
_VERBS: tuple[tuple[Intent, str], ...] = (
    (Intent.SIMULATE, r"(?:simulate|preview|dry[- ]run|backtest|try out|test)\b"),
    (Intent.SIMULATE, r"(?:would|will|does|do)\s+(?=(?:my|the|any of my)\b.*\b(?:fire|trigger|sell|buy|go off)\b.*\b(?:if|at|when)\b)"),
    (Intent.SIMULATE, r"what (?:would|will) (?=(?:my|the)\b.*\b" + _RULES + r"\b.*\b(?:if|at|when)\b)"),
    (Intent.EXPLAIN, r"(?:why|how come|explain why|explain|what happened (?:to|with)|when will)\b(?=.*\b(?:" + _RULES[3:-1] + r"|fire|fired|firing|trigger|triggered|go off|gone off|sell|sold|bought|buy|notif\w+|tell|told|executed?|pending|waiting|failed|fail|paused?|work\w*|happen\w*)\b)"),
    (Intent.LIST, r"(?:show|list|display|view|see|give me|get|what are|what|which|do i have|have i(?: got)?|how many|are there|is there|are any|have any|did any|find)\b(?=.*\b" + _RULES + r"\b)(?!.*\b(?:when|if)\b.*\d)"),
    (Intent.LIST, r"(?:my|all my|all|the) (?:active |paused |failed |completed |cancelled |open )?(?:rules|alerts|actions|orders|stops)\s*[?.!]*$"),
    (Intent.LIST, r"what (?:has )?(?:fired|executed|triggered|been executed|did my rules do)\b"),
    (Intent.PAUSE, r"(?:pause|suspend|hold off on|put on hold|freeze|disable|deactivate|turn off|switch off|mute|snooze)\b"),
    (Intent.RESUME, r"(?:resume|unpause|un-pause|restart|reactivate|re-enable|reenable|enable|continue|turn (?:back )?on|switch (?:back )?on|activate|unfreeze)\b"),
    (Intent.CANCEL, r"(?:cancel|delete|remove|kill|scrap|abort|end|drop|get rid of|call off|withdraw|discard|throw away|void)\b(?=.*\b" + _RULES + r"\b|\s+(?:it|that|them|everything|all)\b)"),
    (Intent.EXECUTE, r"(?:execute|run|fire|trigger|force)\b(?=.*\b(?:" + _RULES[3:-1] + r"|it|now)\b)"),
    (Intent.UPDATE, r"(?:change|update|edit|modify|adjust|(?:move|set|make|raise|lower|tighten|loosen|widen|increase|decrease|reduce|extend|prolong|shorten|bump|switch)(?=\s+(?:my|the|our|that|this|its|it)\b))\b(?=.*\b" + _RULES + r"\b.*\b(?:to|until|till|by|for)\b)"),
)  # fmt: skip
_STARTS = tuple(
    (intent, re.compile(rf"^\W*{_POLITE}(?P<verb>{pattern})", re.IGNORECASE))
    for intent, pattern in _VERBS
)
_STATUSES: Mapping[str, str] = {
    **dict.fromkeys(("active", "running", "live", "open", "enabled"), "active"),
    **dict.fromkeys(("paused", "suspended", "sleeping", "disabled"), "paused"),
    **dict.fromkeys(("completed", "done", "finished", "complete", "expired"), "completed"),
    **dict.fromkeys(("cancelled", "canceled", "deleted"), "cancelled"),
    **dict.fromkeys(("failed", "broken", "failing"), "failed"),
}
_FIRED = re.compile(r"\b(fired|executed|triggered|went off|ran|traded|bought|sold|did|gone off)\b", re.I)
_ALLOWED: Mapping[Intent, frozenset[str]] = {
    Intent.PAUSE: frozenset({"active"}),
    Intent.RESUME: frozenset({"paused", "failed"}),
    Intent.CANCEL: frozenset({"active", "paused"}),
    Intent.UPDATE: frozenset({"active", "paused", "failed"}),
    Intent.EXECUTE: frozenset({"active"}),
    Intent.SIMULATE: frozenset({"active", "paused", "failed"}),
}
_VERB_OF = {
    Intent.PAUSE: "pause",
    Intent.RESUME: "resume",
    Intent.CANCEL: "cancel",
    Intent.UPDATE: "change",
    Intent.EXECUTE: "execute",
    Intent.SIMULATE: "simulate",
    Intent.EXPLAIN: "explain",
}
_KINDS: Mapping[str, str] = {
    "TRAIL": "trailing_stop",
    "VOLUME": "volume_above",
    "MA": "ma_cross",
    "GOLDEN": "ma_cross",
    "DRIFT": "drift",
    "COST": "from_cost",
}
_SIDES = {"BUY": "BUY", "SELL": "SELL", "CLOSE": "SELL"}
# Beside a verb they say nothing about which rule is meant.
_NOISE = frozenset(
    "SEP RULE MY OF ON FOR ABOUT IN WITH AND ONLY PRICE NOW IT THEN SHARES EITHER TIMES LIMIT".split()
)
_NOISE_WORDS = frozenset(
    "that which who one ones existing current old back off again all together setup threshold level "
    "size quantity limit percentage percent amount target new fire trigger would will does happen if "
    "when my the did didn't hasn't has not it wasn't isn't yet was is what rule's".split()
)
_CHANGED = frozenset({"threshold", "percent", "amount", "change", "tolerance_pct", "multiple"})
_PERCENTS = {"trailing_stop": "percent", "from_high": "percent", "from_cost": "percent", "change_pct": "change", "drift": "tolerance_pct"}
_PRICES = frozenset({"price_above", "price_below"})


def command(text: str) -> tuple[Intent, str] | None:
    """What shall be done with a rule, and the words that say with which; None for other texts."""
    for intent, start in _STARTS:
        if found := start.match(text):
            return intent, text[found.end("verb") :]
    return None


def carried_out(
    intent: Intent, text: str, tokens: Sequence[Token], names: Names, world: World
) -> Understood:
    """The command with the filters of the rule that is meant, or with the rule itself where the
    user's rules are known. Raises Question."""
    if intent is Intent.LIST:
        return _listed(text, tokens, names, world)
    filters, rest = _reference(tokens, names)
    patch = _patch(rest, filters, world) if intent is Intent.UPDATE else {}
    if intent is Intent.SIMULATE:
        filters |= _simulated(rest, filters)
    elif intent is not Intent.UPDATE:
        _nothing_left(intent, rest)
    return _resolved(intent, filters, patch, world)


# --- Listing ---


def _listed(text: str, tokens: Sequence[Token], names: Names, world: World) -> Understood:
    args, _ = _reference(tokens, names)
    args.pop("all", None)
    args.pop("stop", None)
    for word in re.findall(r"[a-z]+", text.lower()):
        if status := _STATUSES.get(word):
            args["status"] = status
    since = _since(text, world)
    if _FIRED.search(text):
        args["executed_since"] = since or datetime.min.replace(tzinfo=UTC)
        if since is None:
            del args["executed_since"]
            args["executed"] = True
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
        if token.type == "SYMBOL":
            if len(token.value.symbols) > 1:
                from chat.phrases.goods import which

                raise Question(which(token.value.symbols, names))
            if filters.setdefault("symbol", token.value.symbols[0]) != token.value.symbols[0]:
                raise Question("Which one do you mean? It names more than one symbol.")
        elif token.type in _KINDS:
            filters["trigger_type"] = _KINDS[token.type]
        elif token.type == "STOP":
            filters["stop"] = True
        elif token.type == "SIDE":
            filters["action_type"] = _SIDES[token.value]
        elif token.type in ("NOTIFY", "REBALANCE"):
            filters["action_type"] = {"NOTIFY": "NOTIFY"}.get(token.type, "REBALANCE")
        elif token.type == "PART" and token.value == "1":
            filters["all"] = True
        elif token.text.lower() in _STATUSES:
            filters["status"] = _STATUSES[token.text.lower()]
        elif token.type not in _NOISE and token.text.lower() not in _NOISE_WORDS:
            rest.append(token)
    if filters.get("trigger_type"):
        filters.pop("stop", None)
    return filters, rest


def _nothing_left(intent: Intent, rest: Sequence[Token]) -> None:
    strange = [token for token in rest if token.type in ("WORD", "STRANGE")]
    if strange and intent is not Intent.EXPLAIN:
        raise Question(
            f"I did not understand “{strange[0].text}”. Which rule shall I {_VERB_OF[intent]}?"
        )


def _resolved(
    intent: Intent, filters: dict[str, Any], patch: Mapping[str, Any], world: World
) -> Understood:
    verb = _VERB_OF[intent]
    stop = filters.pop("stop", False)
    every = filters.pop("all", False)
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
    fitting = [rule for rule in world.rules if _fits(rule, filters, stop)]
    able = [rule for rule in fitting if rule.status in _ALLOWED.get(intent, {rule.status})]
    return _chosen(intent, able, fitting, every, args)


def _fits(rule: KnownRule, filters: Mapping[str, Any], stop: bool) -> bool:
    if stop and not (
        rule.trigger_type == "trailing_stop"
        or (rule.trigger_type in ("price_below", "from_high", "from_cost") and rule.action_type == "SELL")
    ):
        return False
    return all(
        getattr(rule, name) == value
        for name, value in filters.items()
        if name in ("symbol", "trigger_type", "action_type", "status")
    )


def _chosen(
    intent: Intent,
    able: Sequence[KnownRule],
    fitting: Sequence[KnownRule],
    every: bool,
    args: dict[str, Any],
) -> Understood:
    verb = _VERB_OF[intent]
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
    if len(tokens) < 2 or tokens[1].type not in ("DATE", "MOMENT", "CLOCK", "SPAN"):  # noqa: PLR2004
        raise Question("Until when shall it be valid? Such as “until Friday”.")
    end = limits.validity([Other(kind, tokens[1].value)], world).ends
    assert end
    return end


def _new_value(
    tokens: Sequence[Token], filters: Mapping[str, Any], world: World
) -> dict[str, Any]:
    """The columns that change, by the kind of the value after "to"."""
    kinds = [token.type for token in tokens]
    value = tokens[0].value if tokens else None
    if kinds[:1] in (["DATE"], ["MOMENT"], ["CLOCK"]) and len(tokens) == 1:
        end = limits.validity([Other("until", value)], world).ends
        return {"valid_until": end}
    if kinds == ["NUM"] and tokens[0].text.lower().endswith("shares"):
        return {"quantity": value}
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
        raise Question("Which percentage shall it change? Such as “change my SPY trailing stop to 6%”.")
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
