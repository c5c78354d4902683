"""Reads a text as the tokens that the grammar knows. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import islice, product
from typing import Any

from chat.phrases import doubts
from chat.phrases.context import in_context
from chat.phrases.dates import Dates
from chat.phrases.days import find_day
from chat.phrases.names import Names
from chat.phrases.numbers import with_numbers
from chat.phrases.pieces import pieces
from chat.phrases.slips import Slips
from chat.phrases.tokens import Token, joined
from chat.phrases.vocabulary import FILLER, Meaning, table

MOST_READINGS = 16  # of a text with words that may mean several things
_ARTICLES = frozenset({"a", "an", "the"})


class Scanner:
    """Reads texts, given the names that there are and what a day is called by."""

    def __init__(self, names: Names, dates: Dates) -> None:
        self._names = names
        self._dates = dates

    def readings(self, text: str) -> Iterator[list[Token]]:
        """The text as tokens: more than once where a word may mean several things, the likeliest
        reading first."""
        return map(in_context, self._typed(text))

    def orders(self, text: str) -> Iterator[list[Token]]:
        """As `readings`, of what asks for a rule. Raises Question for words whose meaning there is
        in doubt."""
        for reading in self._typed(text):
            doubts.check(reading)
            yield in_context(reading)

    def _typed(self, text: str) -> Iterator[list[Token]]:
        choices = self._choices(with_numbers(pieces(text)))
        capitals = text.upper() == text
        kept = [found[:1] if capitals else found for found in choices]
        for reading in islice(product(*kept), MOST_READINGS):
            yield list(reading)

    def _choices(self, tokens: list[Token]) -> list[list[Token]]:
        """For each word, or words that belong together, what they may be."""
        found: list[list[Token]] = []
        position = 0
        while position < len(tokens):
            length, choices = self._read(tokens[position : position + 10])
            averaged = bool(found) and found[-1][0].type in ("PERIOD", "SPAN")
            found.append(choices[:1] if averaged else choices)  # "50-day MA" is no Mastercard
            position += length
        return found

    def _read(self, rest: list[Token]) -> tuple[int, list[Token]]:
        """What begins here: the longest of a day, a saying and a name."""
        day = find_day(rest, self._dates)
        saying, meanings = _saying(rest)
        if rest[0].type == "TICKER":
            symbol = self._names.ticker(rest[0].text)
            return 1, [rest[0].to("SYMBOL", symbol) if symbol else rest[0]]
        named = self._names.longest(rest) if rest[0].type == "WORD" else None
        name_length = named[0] if named else 0
        if day and day[0] >= max(saying, name_length):
            return day[0], [day[1]]
        if named and name_length > saying:
            return name_length, [joined(rest[:name_length], "SYMBOL", named[1])]
        if not saying:
            return 1, [rest[0]]
        choices = [joined(rest[:saying], meaning.type, meaning.value) for meaning in meanings]
        if name_length == saying and named and _stands_out(rest[0].text):
            choices.append(joined(rest[:saying], "SYMBOL", named[1]))
        return saying, choices


def _stands_out(word: str) -> bool:
    return word[0].isupper() and (word.isupper() or len(word) > 3)


def _saying(tokens: Sequence[Token]) -> tuple[int, Sequence[Meaning]]:
    """The longest saying that the tokens begin with; articles inside it do not count."""
    node, best, meanings = _tree(), 0, ()
    for length, token in enumerate(tokens, start=1):
        word = token.text.lower().removesuffix(".") or token.text
        if token.type in ("NUM", "MONEY", "PCT"):
            break
        if word in _ARTICLES and length > 1:
            continue
        following = node.get(word)
        if following is None:
            break
        node = following
        if None in node:
            best, meanings = length, node[None]
    if not best and tokens[0].text.lower() in _ARTICLES:
        return 1, (Meaning(FILLER, None),)
    return best, meanings


@cache
def _tree() -> Mapping[Any, Any]:
    """The sayings by their words, one after the other; what they mean stands under None."""
    root: dict[Any, Any] = {}
    for words, meanings in table().items():
        node = root
        for word in words:
            if word not in _ARTICLES or len(words) == 1:
                node = node.setdefault(word, {})
        node[None] = (*node.get(None, ()), *(m for m in meanings if m not in node.get(None, ())))
    return root


@cache
def slips() -> Slips:
    """Of all words that are used in sayings."""
    return Slips({word for words in table() for word in words})
