"""Words that are a slip of the pen away from a known one. Pure."""

from collections.abc import Iterable, Iterator, Sequence

_SHORT = 3  # letters: of so short a word only two letters that have changed places are a slip


class Slips:
    """Finds which known words a word may have been meant to be.

    A slip is one letter too many, too few or another, or two neighbours that have changed places:
    the two words are then alike after one letter is taken out of each.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self._words = frozenset(word for word in words if word.isalpha())
        self._by_trace: dict[str, set[str]] = {}
        for word in self._words:
            for trace in _traces(word):
                self._by_trace.setdefault(trace, set()).add(word)

    def knows(self, word: str) -> bool:
        return word in self._words

    def meant(self, word: str) -> Sequence[str]:
        """The known words that `word` may be a slip of, the likest first."""
        if not word or word in self._words:
            return ()
        near = sorted(self._near(word), key=lambda known: (known[0] != word[0], known))
        if len(word) <= _SHORT:
            return [known for known in near if sorted(known) == sorted(word)]
        return [known for known in near if len(known) > _SHORT]

    def _near(self, word: str) -> set[str]:
        return {known for trace in _traces(word) for known in self._by_trace.get(trace, ())}


def _traces(word: str) -> Iterator[str]:
    yield word
    for position in range(len(word)):
        yield word[:position] + word[position + 1 :]
