"""Words that could mean two things where they stand: asks which. Pure."""

from collections.abc import Sequence
from itertools import pairwise

from chat.phrases.tokens import Token
from chat.phrases.understood import Question
from chat.phrases.vocabulary import FILLER

_NUMBERS = frozenset({"NUM", "MONEY", "PCT"})
_LEVELS = frozenset(
    pair
    for price in ("NUM", "MONEY")
    for pair in (
        ("BELOW", price),
        ("ABOVE", price),
        (price, "OR_LOWER"),
        (price, "OR_HIGHER"),
    )
)
_MOVES = frozenset({"FALL", "RISE", "MOVE"})
_CALENDARS = frozenset({"week", "month", "year"})
_HOURS = 24
_ORDERS = frozenset({"SIDE", "NOTIFY", "REBALANCE"})
_OF_HOLDINGS = ("OF", "IN", "ON", "MY", "SYMBOL", "SHARES", "PRICE")
_TELLS_OF_PRICES = frozenset(
    {
        *_MOVES,
        "BELOW",
        "ABOVE",
        "REACH",
        "CROSS",
        "CROSS_UP",
        "CROSS_DOWN",
        "AT",
        "PCT",
        "NUM",
        "MONEY",
        "WORTH",
    }
)
_COUNTED_FROM = frozenset(
    {"COST", "HIGH", "LOW", "CLOSE_BEFORE", "ON_THE_DAY", "WITHIN", "SPAN", "DATE"}
)
_OVERALL = frozenset({"overall", "in total"})
_OTHERS = frozenset({"friend", "assistant", "bot", "i", "we", "you"})
_SINCE_WHEN = "A profit or a loss since when? Say “20 % above what I paid”, or “up 5 % on the day”."


def check(tokens: Sequence[Token]) -> None:
    """Raises Question for the first doubt. `tokens` are all that were typed, fillers included."""
    _calendars_own(tokens)
    _holdings(tokens)
    _all_told(tokens)
    _my_own(tokens)
    kept = [token for token in tokens if token.type != FILLER]
    _gains(kept)
    _nearly(kept)
    _telling(kept)
    _hour_or_price(kept)
    _since_a_day(kept)
    _for_so_long(kept)


def _gains(tokens: Sequence[Token]) -> None:
    """ "My AAPL is up 20 %" is since yesterday or since it was bought."""
    kept = [token for token in tokens if token.type != "SHARES"]
    types = [token.type for token in kept]
    for position, type in enumerate(types):
        rest = types[position : position + 5]
        if (
            type != "MY"
            or rest[1:2] != ["SYMBOL"]
            or rest[2:4] not in (["RISE", "PCT"], ["FALL", "PCT"])
        ):
            continue
        if (_COUNTED_FROM | {"FROM", "IN"}) & set(types[position + 4 :]):
            continue
        moved = f"{kept[position + 2].text} {kept[position + 3].text}"
        side = "above" if rest[2] == "RISE" else "below"
        raise Question(
            f"{moved[0].upper()}{moved[1:]} since when? Say “{kept[position + 3].text} "
            f"{side} what I "
            "paid”, or “in a day”."
        )


def _holdings(tokens: Sequence[Token]) -> None:
    """ "If my AAPL position falls below 8000" is of what all the shares are worth, and "if it is
    down 10 %" beside it may count from what they cost."""
    about = False  # whether the condition is being told, and no order
    for position, token in enumerate(tokens):
        if token.type in ("WHEN", "WHENEVER", "ONCE") or token.type in _ORDERS:
            about = token.type not in _ORDERS
        if not (about and _is_holdings(token)):
            continue
        rest = [
            one.type for one in tokens[position + 1 :] if one.type not in (FILLER, *_OF_HOLDINGS)
        ]
        counted = "PCT" in rest and _COUNTED_FROM & set(rest)  # the same of one share as of all
        if rest[:1] and rest[0] in _TELLS_OF_PRICES and not counted:
            raise Question(
                "A rule watches the price of one share, not what you hold of it. Say a price, such "
                "as “falls below $150”, or “10 % below what I paid”."
            )


def _is_holdings(token: Token) -> bool:
    words = token.text.lower().split()
    return token.type == FILLER and bool(
        {"position", "positions", "holding", "holdings", "stake"} & set(words)
    )


def _all_told(tokens: Sequence[Token]) -> None:
    """ "Down 10 % overall" does not count from yesterday's close."""
    kept = [token for token in tokens if token.type != FILLER or token.text.lower() in _OVERALL]
    for one, next in pairwise(kept):
        if next.text.lower() in _OVERALL and one.type in ("PCT", *_MOVES):
            raise Question(_SINCE_WHEN)


def _my_own(tokens: Sequence[Token]) -> None:
    """ "If I lose 10 %" is not of a day; "my friend sells 10 AAPL" orders nothing."""
    for one, next in pairwise(tokens):
        if one.text.lower() in ("i", "we") and next.type in _MOVES:
            raise Question(_SINCE_WHEN)
        if one.text.lower() in _OTHERS and next.type == "SIDE" and next.text.endswith("s"):
            raise Question(
                f"Who “{next.text}” there? Say it as an order, such as “sell 10 AAPL if it drops "
                "below 150”."
            )


def _nearly(tokens: Sequence[Token]) -> None:
    """ "About 10" is not 10."""
    if any(one.type == "ABOUT" and next.type in _NUMBERS for one, next in pairwise(tokens)):
        raise Question("Please say it exactly: a rule needs one number.")


def _telling(tokens: Sequence[Token]) -> None:
    """ "They sell 10 AAPL" orders nothing."""
    for one, next in pairwise(tokens):
        if one.text.lower() in ("it", "they") and next.type == "SIDE":
            raise Question(
                f"I did not understand “{one.text} {next.text}”. Say it as an order, such as “sell "
                "10 AAPL if it drops below 150”."
            )


def _calendars_own(tokens: Sequence[Token]) -> None:
    """ "Next week" is the one from Monday on, or the seven days from now; "the next week" is not
    in doubt."""
    words = [token.text.lower() for token in tokens]
    for position, token in enumerate(tokens):
        unit = words[position]
        if token.type != "SPAN" or unit not in _CALENDARS or position == 0:
            continue
        before = [word for said in words[:position] for word in said.split()]
        if before[-1] == "next" and before[-2:-1] != ["the"]:
            raise Question(
                f"Does “next {unit}” begin now, or when this {unit} is over? Say “for a {unit}”, "
                "or name its days, such as “starting Monday”."
            )
        if before[-1] == "the" and before[-2:-1] in (["in"], ["within"], ["during"]):
            raise Question(
                f"Until when is “the {unit}”? Say “in a {unit}”, or “until the end of the {unit}”."
            )


def _hour_or_price(tokens: Sequence[Token]) -> None:
    """ "At 10 on Friday" is a time or a price."""
    if any(token.type == "CLOCK" for token in tokens) or not _on_a_day(tokens):
        return
    for one, next in pairwise(tokens):
        is_hour = next.type == "NUM" and next.text.isdecimal() and next.value <= _HOURS
        if one.type == "AT" and is_hour:
            raise Question(
                f"Is {next.text} a price or a time? Say “at ${next.text}”, or the time with its "
                "minutes, such as “at 15:00”."
            )


def _on_a_day(tokens: Sequence[Token]) -> bool:
    """Whether it names a day on which something happens, not one until which."""
    bounds = ("UNTIL", "BY", "BEFORE", "STARTING", "AFTER", "FROM")
    before = [None, *tokens]
    return any(
        token.type == "DAYS" or (token.type == "DATE" and (one is None or one.type not in bounds))
        for one, token in zip(before, tokens, strict=False)
    )


def _since_a_day(tokens: Sequence[Token]) -> None:
    """ "Falls 5 % from Monday": since last Monday, or only from next Monday on."""
    for one, word, day in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if one.type in {"PCT", *_MOVES} and word.type == "FROM" and day.type == "DATE":
            raise Question(
                "A change is counted over a number of days, such as “in 5 days”. If the rule shall "
                "begin later, say “starting” and the day."
            )


def _for_so_long(tokens: Sequence[Token]) -> None:
    """ "If it is below 150 for an hour": how long it must stay there, or how long the rule is
    valid. What falls or crosses does so at an instant."""
    types = [token.type for token in tokens]
    for position in range(len(types)):
        if types[position : position + 2] != ["FOR", "SPAN"]:
            continue
        if tuple(types[max(0, position - 2) : position]) in _LEVELS:
            clause = types[: position - 2]
            begins = [at for at, type in enumerate(clause) if type in ("WHEN", "WHENEVER")]
            span = tokens[position + 1].text
            counted = " " in span or any(sign.isdecimal() for sign in span)  # no "second" time
            if counted and begins and not _MOVES & set(clause[begins[-1] :]):
                raise Question(
                    f"Must the price stay there for {span}, or is the rule valid for {span}? It "
                    f"fires as soon as the price is there; such a rule is “valid for {span}”."
                )
