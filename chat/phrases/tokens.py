"""The words of a text as typed tokens: what the grammar reads. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Token:
    """A word, or several that belong together: its terminal of the grammar, and what it stands for.

    `text` is what was typed, from `start` to `end` of the text.
    """

    type: str
    value: Any
    text: str
    start: int
    end: int

    def to(self, type: str, value: Any) -> Token:
        """The same words, read as something else."""
        return replace(self, type=type, value=value)


def joined(tokens: list[Token], type: str, value: Any) -> Token:
    """One token for several that follow each other."""
    first, last = tokens[0], tokens[-1]
    text = " ".join(token.text for token in tokens)
    return Token(type, value, text, first.start, last.end)


Found = tuple[int, Token] | None


def taken(tokens: Sequence[Token], length: int, type: str, value: object) -> Found:
    """That the first `length` tokens are one: so many, and it."""
    return length, joined(list(tokens[:length]), type, value)
