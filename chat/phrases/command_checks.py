"""What an order about rules that there are cannot say: a later time, or whom it spares. Pure."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from itertools import dropwhile
from typing import Any

from chat.phrases.command_words import VERB_OF
from chat.phrases.tokens import Token
from chat.phrases.understood import Intent, KnownRule, Question

AT_ONCE = frozenset({Intent.PAUSE, Intent.RESUME, Intent.CANCEL, Intent.EXECUTE})
_NOT = re.compile(
    r"\b(not|no|never|none|but|except|excluding|besides|without|unless|nor)\b"
    r"|\b(other than|apart from|\w+n[']t)\b",
    re.I,
)
_ENDS = re.compile(r"\b(expir(?:e|es|ing|y)|end|ends|ending|running out|runs? out)\b", re.I)
_UP = re.compile(r"^\W*(?:\w+\W+){0,3}?(?:raise|increase|bump|loosen|widen)\b", re.I)
_DOWN = re.compile(r"^\W*(?:\w+\W+){0,3}?(?:lower|decrease|reduce|tighten)\b", re.I)
_OF_DISTANCES = re.compile(r"\b(?:loosen|widen|tighten)\b", re.I)
_DOES = frozenset({"SIDE", "NOTIFY", "REBALANCE"})
_LATER = frozenset(
    [
        "WHEN",
        "WHENEVER",
        "UNTIL",
        "BEFORE",
        "STARTING",
        "AFTER",
        "NEXT",
        "WITHIN",
        "SPAN",
        "DATE",
        "CLOCK",
        "MOMENT",
        "DAYS",
        "THIS_WEEK",
    ]
)


def check_negation(intent: Intent, text: str) -> None:
    """ "Pause all but AAPL" is not of AAPL. Why something is not so may be asked."""
    if intent not in (Intent.EXPLAIN, Intent.SIMULATE) and (found := _NOT.search(text)):
        raise Question(
            f"I do not read “{found[0].strip()}” there. Say which rules are meant, not which are "
            "not: by symbol, side, kind or status."
        )


def check_at_once(intent: Intent, tokens: Sequence[Token]) -> None:
    """ "Pause my rule on Friday" is not now. After a side, "sell ... if", it describes the rule."""
    described = False
    for position, token in enumerate(tokens):
        described |= token.type in _DOES
        if token.type in _LATER and not described:
            later = " ".join(said.text for said in tokens[position : position + 2])
            raise Question(
                f"I do that at once, or not at all: I cannot do it “{later}”. Which rule shall I "
                f"{VERB_OF[intent]} now?"
            )


def check_kept(tokens: Sequence[Token]) -> None:
    """ "Change my rule to sell 20": what it does is not changed by words."""
    changed = dropwhile(lambda token: token.type != "TO", tokens)
    if any(token.type in _DOES for token in changed):
        raise Question(
            "I change a rule's price, percentage, size or end, not what it does. Such as “change "
            "the quantity of my AAPL rule to 20 shares”."
        )


def check_listed(text: str) -> None:
    """When rules end is nothing to list them by."""
    if _ENDS.search(text):
        raise Question(
            "I do not list rules by when they end. I list them by symbol, side, kind and status, "
            "and by when they were made or fired, such as “which rules fired this week”."
        )


def check_way(
    text: str, action_id: object, patch: Mapping[str, Any], rules: Sequence[KnownRule]
) -> None:
    """ "Lower my stop to 190" does not lower one of 170."""
    params = next((rule.trigger_params for rule in rules if rule.id == action_id), {})
    wanted = 1 if _UP.search(text) else -1 if _DOWN.search(text) else 0
    for name, new in patch.get("trigger_params", {}).items():
        old = _number(params.get(name))
        if not wanted or old is None or (name == "threshold" and _OF_DISTANCES.search(text)):
            continue
        if (new - old) * wanted <= 0:
            raise Question(
                f"It is at {old.normalize():,f} now. Say “change” and the number if it shall be "
                f"{new.normalize():,f} all the same."
            )


def _number(value: object) -> Decimal | None:
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None
