"""Words that mean something else beside others: "by Friday", "by 5 %". Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from chat.phrases.clocks import Clock
from chat.phrases.dates import Unclear
from chat.phrases.tokens import Token, joined
from chat.phrases.vocabulary import FILLER


@dataclass(frozen=True, slots=True)
class Moment:
    """A day with a time, each where it was named; or why it is not clear which."""

    day: date | Unclear
    clock: Clock


_MOMENTS = (
    ("DATE", "CLOCK"),
    ("DATE", "AT", "CLOCK"),
    ("DATE", "BY", "CLOCK"),
    ("CLOCK", "DATE"),
    ("CLOCK", "ON", "DATE"),
)
_WHEN = frozenset({"DATE", "CLOCK", "MOMENT"})
_OF_A_PRICE = frozenset({"SYMBOL", "IT", "PRICE"})

# What a word is before certain others; "" leaves it out.
_BEFORE: Mapping[str, Sequence[tuple[frozenset[str], str]]] = {
    "IN": ((frozenset({"SPAN"}), "WITHIN"),),
    "FOR": ((frozenset({"SPAN"}), "NEXT"), (_WHEN | {"DAYS"}, "")),
    "BY": ((_WHEN, "UNTIL"),),
    "ON": ((_WHEN | {"DAYS", "GOLDEN", "PCT"}, ""),),
    "AT": ((_WHEN, ""),),
    "FROM": ((_WHEN, "STARTING"),),
    "WITH": ((frozenset({"PCT", "MONEY", "TRAIL", "STOP", "LIMIT", "TARGET"}), ""),),
    "OF": ((frozenset({"PRICE"}), ""),),
    "BELOW": ((frozenset({"ONCE", "TWICE"}), "AT_MOST"),),
    "ONCE": ((_OF_A_PRICE, "WHEN"),),
}


def in_context(tokens: Sequence[Token]) -> list[Token]:
    """The tokens as the grammar reads them: what changes nothing is left out."""
    kept = [token for token in tokens if token.type not in (FILLER, "MY")]
    if any(token.type in ("REBALANCE", "TRAIL", "DRIFT") for token in kept):  # "SPY at 60 %"
        kept = [
            token
            for token, after in zip(kept, [*kept[1:], None], strict=False)
            if not (token.type == "AT" and after is not None and after.type == "PCT")
        ]
    for settle in (_moments, _puts, _pronouns, _shares, _counts, _prepositions):
        kept = settle(kept)
    return kept


def _moments(tokens: list[Token]) -> list[Token]:
    """A day beside a time is one moment: "Friday at 3pm", "3pm on Friday"."""
    found: list[Token] = []
    position = 0
    while position < len(tokens):
        for pattern in _MOMENTS:
            taken = tokens[position : position + len(pattern)]
            if tuple(token.type for token in taken) == pattern:
                by_type = {token.type: token.value for token in taken}
                moment = Moment(by_type["DATE"], by_type["CLOCK"])
                found.append(joined(taken, "MOMENT", moment))
                position += len(pattern)
                break
        else:
            found.append(tokens[position])
            position += 1
    return found


_ORDERS = frozenset({"TRAIL", "STOP", "TARGET", "LIMIT", "NOTIFY"})


def _puts(tokens: list[Token]) -> list[Token]:
    """ "Put $50 into SPY" buys; "put a stop on SPY" does not."""
    orders = any(token.type in _ORDERS for token in tokens)
    found = []
    for token, after in zip(tokens, [*tokens[1:], None], strict=False):
        word = token.text.lower()
        if token.type == "SIDE" and word in ("put", "add"):
            sized = after is not None and after.type in ("MONEY", *(("NUM",) * (word == "add")))
            if orders or not sized:
                continue
        found.append(token)
    return found


def _pronouns(tokens: list[Token]) -> list[Token]:
    """Only what is traded may be called "it"; of a condition it is clear."""
    return [
        token
        for before, token in zip([None, *tokens], tokens, strict=False)
        if token.type != "IT"
        or (before is not None and before.type in ("SIDE", "OF") and token.text.lower() != "its")
    ]


def _shares(tokens: list[Token]) -> list[Token]:
    """ "Shares" counts beside a number only: not in "AAPL shares", "when shares of AAPL fall"."""
    found: list[Token] = []
    for position, token in enumerate(tokens):
        before = found[-1].type if found else ""
        if token.type == "SHARES" and before == "OF" and _types(found, -2) == ["NUM", "OF"]:
            found.pop()  # "5 of my shares"
        elif token.type == "SHARES" and before not in ("NUM", "PART"):
            continue
        after_shares = position and tokens[position - 1].type == "SHARES"
        if token.type == "OF" and after_shares and before != "SHARES":
            continue
        found.append(token)
    return found


def _counts(tokens: list[Token]) -> list[Token]:
    """ "No more than" means a number of times before one, and a price otherwise."""
    return [
        token.to("AT_MOST", None)
        if token.type == "BELOW"
        and _types(tokens, position + 1) in (["NUM", "TIMES"], ["NUM", "EVERY"], ["NUM", "SPAN"])
        else token.to("WITHIN", None)
        if token.text.lower() == "over" and _types(tokens, position + 1)[:1] == ["SPAN"]
        else token
        for position, token in enumerate(tokens)
    ]


def _types(tokens: list[Token], position: int) -> list[str]:
    return [token.type for token in tokens[position:][:2]]


def _prepositions(tokens: list[Token]) -> list[Token]:
    found: list[Token] = []
    for token, after in zip(tokens, [*tokens[1:], None], strict=False):
        type = token.type
        for followers, meaning in _BEFORE.get(type, ()):
            if after is not None and after.type in followers:
                type = meaning
        if type:
            found.append(token.to(type, token.value))
    return found
