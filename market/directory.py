"""The directory of listed symbols that comes with the project, by symbol and by name. Pure."""

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from pathlib import Path

FILE = Path(__file__).resolve().parent / "data" / "us_symbols.csv"

_WORDS = re.compile(r"[^0-9a-z&]+")
_ALIKE = 0.6  # SequenceMatcher's ratio above which two symbols may be mistaken for each other


@dataclass(frozen=True, slots=True)
class Listing:
    """A symbol and whose it is. `large`: one of the largest companies, which many mean."""

    symbol: str
    name: str
    large: bool = False


class Directory:
    """Listings to be looked up and searched."""

    def __init__(self, listings: Iterable[Listing]) -> None:
        self._by_symbol = {listing.symbol: listing for listing in listings}
        self._words = {
            symbol: tuple(_WORDS.sub(" ", listing.name.lower()).split())
            for symbol, listing in self._by_symbol.items()
        }

    def extended(self, listings: Iterable[Listing]) -> "Directory":
        """With these as well."""
        both, more = Directory([]), Directory(listings)
        both._by_symbol = self._by_symbol | more._by_symbol
        both._words = self._words | more._words
        return both

    def listings(self) -> Iterable[Listing]:
        return self._by_symbol.values()

    def get(self, symbol: str) -> Listing | None:
        return self._by_symbol.get(symbol)

    def search(self, text: str, limit: int = 10) -> Sequence[Listing]:
        """What may be meant by `text`: a symbol or its beginning, or words of a name, best first.

        The last word may be a beginning. Nothing is found for nothing.
        """
        words = _WORDS.sub(" ", text.lower()).split()
        symbol = text.strip().upper()
        if not words:
            return []
        ranked = []
        for listing in self._by_symbol.values():
            rank = _rank(listing, self._words[listing.symbol], symbol, words)
            if rank is not None:
                ranked.append((rank, not listing.large, len(listing.symbol), listing.symbol))
        return [self._by_symbol[found] for *_, found in sorted(ranked)[:limit]]

    def near(self, text: str, limit: int = 3) -> Sequence[Listing]:
        """What may be meant by a symbol that is none: whoever is called so, then those alike."""
        found = {listing.symbol: listing for listing in self.search(text, limit)}
        for listing in self._alike(text.strip().upper()):
            if len(found) >= limit:
                break
            found.setdefault(listing.symbol, listing)
        return list(found.values())[:limit]

    def _alike(self, symbol: str) -> Sequence[Listing]:
        matcher = SequenceMatcher(autojunk=False)
        matcher.set_seq2(symbol)
        ranked = []
        for listing in self._by_symbol.values():
            if abs(len(listing.symbol) - len(symbol)) > 1:
                continue
            matcher.set_seq1(listing.symbol)
            if matcher.real_quick_ratio() < _ALIKE or matcher.quick_ratio() < _ALIKE:
                continue
            ratio = matcher.ratio()
            if ratio >= _ALIKE:
                ranked.append((-ratio, not listing.large, listing.symbol))
        return [self._by_symbol[found] for *_, found in sorted(ranked)]


@lru_cache(maxsize=1)
def shipped() -> Directory:
    """The directory that comes with the project, read once a process."""
    with FILE.open(encoding="utf-8", newline="") as file:
        return Directory(
            Listing(row["symbol"], row["name"], row["large"] == "y") for row in csv.DictReader(file)
        )


def _rank(listing: Listing, name: Sequence[str], symbol: str, words: Sequence[str]) -> int | None:
    """The smaller the better: the symbol itself, a name that begins so, words of it, a beginning
    of the symbol."""
    if listing.symbol == symbol:
        return 0
    *whole, begun = words
    if list(name[: len(whole)]) == whole and any(
        word.startswith(begun) for word in name[len(whole) : len(words)]
    ):
        return 1 if name[len(whole)] == begun else 2
    if set(whole) <= set(name) and any(word.startswith(begun) for word in name):
        return 3
    return 4 if listing.symbol.startswith(symbol) else None
