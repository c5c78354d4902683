"""Numbers in words, and what stands before or after a number: "two hundred", "3 percent". Pure."""

from collections.abc import Mapping
from decimal import Decimal

from chat.phrases.tokens import Token, joined

_ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SMALL: Mapping[str, int] = {
    **{word: number for number, word in enumerate(_ONES)},
    **{word: (number + 2) * 10 for number, word in enumerate(_TENS)},
    **{
        f"{tens}-{ones}": (ten + 2) * 10 + one + 1
        for ten, tens in enumerate(_TENS)
        for one, ones in enumerate(_ONES[1:10])
    },
}
_LARGE: Mapping[str, int] = {
    "dozen": 12,
    "hundred": 10**2,
    "thousand": 10**3,
    "grand": 10**3,
    "million": 10**6,
    "mil": 10**6,
    "mio": 10**6,
    "billion": 10**9,
}
_PARTS = frozenset({"half", "third", "thirds", "quarter", "quarters", "fourth", "fourths"})
_FRACTIONS: Mapping[str, str] = {"half": "0.5", "quarter": "0.25"}
_PERCENT = frozenset({"percent", "pct", "per-cent", "percents", "percentage"})
_DOLLARS = frozenset({"dollar", "dollars", "usd", "bucks", "buck", "us$"})
_SHARES = frozenset({"share", "shares", "unit", "stock"})
ONE = frozenset({"a", "an"})


def with_numbers(tokens: list[Token]) -> list[Token]:
    """The tokens with every number in words as one token, and its unit with it."""
    return _with_units(_in_words(tokens))


def _in_words(tokens: list[Token]) -> list[Token]:
    found: list[Token] = []
    position = 0
    while position < len(tokens):
        length, value = _number(tokens[position:])
        if length:
            taken = tokens[position : position + length]
            type = "MONEY" if _is_money(taken) else "NUM"
            found.append(joined(taken, type, value))
            position += length
        else:
            found.append(tokens[position])
            position += 1
    return found


def _is_money(taken: list[Token]) -> bool:
    return any(token.type == "MONEY" or token.text.lower() == "grand" for token in taken)


def _number(tokens: list[Token]) -> tuple[int, Decimal]:
    """How many of the first tokens are one number, and which; (0, 0) where none begins here."""
    words = [token.text.lower() for token in tokens[:12]]
    if length := _part_of_a_share(words):
        return length, Decimal(_FRACTIONS[words[0] if words[0] in _FRACTIONS else words[1]])
    if words[:2] == ["half", "dozen"] or words[:3] == ["half", "a", "dozen"]:
        return len(words[: words.index("dozen") + 1]), Decimal(6)
    if tokens[0].type in ("NUM", "MONEY"):
        return _scaled(tokens, words)
    if words[0] in ONE and words[1:2] and words[1] in _LARGE and words[1] != "grand":
        return _spelled(words, 1, Decimal(1))
    if words[1:2] and words[1] in _PARTS and words[2:3] == ["of"]:
        return 0, Decimal(0)  # "two thirds of": no number of shares
    if words[0] in _SMALL:
        return _spelled(words, 0, Decimal(0))
    return 0, Decimal(0)


def _part_of_a_share(words: list[str]) -> int:
    """How many words before "share" mean a part of one: "half a", "a quarter of a"."""
    for start in ([], ["a"]):
        for middle in (["a"], ["of", "a"], ["of", "one"]):
            length = len(start) + 1 + len(middle)
            if (
                words[length : length + 1] == ["share"]
                and words[: len(start)] == start
                and words[len(start)] in _FRACTIONS
                and words[len(start) + 1 : length] == middle
            ):
                return length
    return 0


def _scaled(tokens: list[Token], words: list[str]) -> tuple[int, Decimal]:
    """Digits, perhaps with a word that multiplies them: "2 thousand", "1.5 million"."""
    value = Decimal(tokens[0].value)
    if len(words) > 1 and words[1] in _LARGE:
        return 2, value * _LARGE[words[1]]
    return (1, value) if tokens[0].type == "NUM" else (0, value)


def _spelled(words: list[str], position: int, start: Decimal) -> tuple[int, Decimal]:
    """A number in words: "two hundred and fifty", "one point five", "fifteen hundred"."""
    total, group, begun, last = Decimal(0), start, position, None
    while position < len(words):
        word = words[position]
        if word in _SMALL and _may_follow(last, word):
            group += _SMALL[word]
        elif word in _LARGE and (group or total):
            group, total = _multiplied(group, total, _LARGE[word])
        elif word == "and" and last in _LARGE and words[position + 1 : position + 2]:
            if words[position + 1] not in _SMALL:
                break
            last, position = "and", position + 1
            continue
        else:
            break
        last, position = word, position + 1
    length, value = position, total + group
    if length > begun and words[position : position + 1] == ["point"]:
        return _decimals(words, position, value)
    return length, value


def _may_follow(last: str | None, word: str) -> bool:
    """Whether `word` goes on with the number that `last` is in: "twenty five", not "five ten"."""
    if last is None or last == "and" or last in _LARGE:
        return True
    return last in _TENS and word in _ONES[1:10]


def _multiplied(group: Decimal, total: Decimal, scale: int) -> tuple[Decimal, Decimal]:
    if scale in (10**2, 12):
        return group * scale, total
    return Decimal(0), total + group * scale


def _decimals(words: list[str], position: int, whole: Decimal) -> tuple[int, Decimal]:
    digits = []
    for word in words[position + 1 :]:
        if word not in _ONES[:10]:
            break
        digits.append(str(_ONES.index(word)))
    if not digits:
        return position, whole
    return position + 1 + len(digits), whole + Decimal("0." + "".join(digits))


# --- Units ---


def _with_units(tokens: list[Token]) -> list[Token]:
    found: list[Token] = []
    position = 0
    while position < len(tokens):
        length, type = _unit(tokens[position:])
        if length:
            taken = tokens[position : position + length]
            found.append(joined(taken, type, taken[0].value))
            position += length
        elif tokens[position].text.lower() in ONE and _begins_a_share(tokens[position + 1 :]):
            found.append(tokens[position].to("NUM", Decimal(1)))
            position += 1
        else:
            found.append(tokens[position])
            position += 1
    return found


def _unit(tokens: list[Token]) -> tuple[int, str]:
    """How many tokens a number takes with its unit, and what it is then; (0, "") without one."""
    words = [token.text.lower() for token in tokens[1:3]]
    if tokens[0].type != "NUM" or not words:
        return 0, ""
    if words[0] in _PERCENT and words[1:] not in (["points"], ["point"]):
        return 2, "PCT"
    if words == ["per", "cent"]:
        return 3, "PCT"
    if words[0] == "us" and words[1:] and words[1] in _DOLLARS:
        return 3, "MONEY"
    if words[0] in _DOLLARS:
        return 2, "MONEY"
    return 0, ""


def _begins_a_share(tokens: list[Token]) -> bool:
    return bool(tokens) and tokens[0].text.lower() == "share"
