"""The words that the reader knows, from words.txt, and the terminal that each stands for. Pure.

The longest saying that fits is taken. Words that change nothing (FILLER) are left out; every other
word must find its place in the grammar.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

FILLER = "FILLER"

_FILE = Path(__file__).with_name("words.txt")


class Meaning(NamedTuple):
    """A terminal of the grammar, and what it stands for where that is not plain."""

    type: str
    value: str | None


@cache
def table() -> Mapping[tuple[str, ...], tuple[Meaning, ...]]:
    """What each saying means, by its words: several things, for a few."""
    found: dict[tuple[str, ...], tuple[Meaning, ...]] = {}
    for meaning, words in _entries():
        if meaning.type != FILLER or words not in found:
            found[words] = (*found.get(words, ()), meaning)
    return found


def _entries() -> Iterator[tuple[Meaning, tuple[str, ...]]]:
    meaning = Meaning(FILLER, None)
    for line in _FILE.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if not line.startswith(" "):
            type, _, value = line.partition(" ")
            meaning = Meaning(type, value or None)
            continue
        for saying in line.split(","):
            if words := tuple(saying.split()):
                yield meaning, words
