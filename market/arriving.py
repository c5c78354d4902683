"""Prices as they arrive on a stream, until they are taken in. Pure.

Their instants are whole seconds, and the database takes no price that is not newer than the last
one. So that of several in one second the last one counts, it is given out as of a microsecond after
the one that was accepted. One that was not accepted is not followed so: what confirms a price that
jumps must be of another second, as it is of another answer where prices are asked for.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

from market.quotes import Sample

_JUST_AFTER = timedelta(microseconds=1)


class Arriving:
    """The newest price of each symbol that has not been taken in yet."""

    def __init__(self) -> None:
        self._heard: dict[str, Sample] = {}
        self._accepted: dict[str, datetime] = {}
        self._waiting: dict[str, Sample] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, sample: Sample) -> None:
        """Keeps a price that has arrived, unless it is older than the last one, or the same."""
        heard = self._heard.get(sample.symbol)
        if heard is not None and (sample.as_of < heard.as_of or sample == heard):
            return
        self._heard[sample.symbol] = sample
        accepted = self._accepted.get(sample.symbol)
        if accepted is not None and accepted >= sample.as_of:
            sample = replace(sample, as_of=accepted + _JUST_AFTER)
        self._waiting[sample.symbol] = sample

    def take(self) -> list[Sample]:
        """What waits, which from now on does not."""
        taken = list(self._waiting.values())
        self._waiting.clear()
        return taken

    def accepted(self, samples: Collection[Sample]) -> None:
        """These, as they were taken, are what the database now holds."""
        self._accepted.update((sample.symbol, sample.as_of) for sample in samples)
