"""What a file would do, or did, line by line: counted, told in part, and kept whole as CSV."""

import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from actions.bulk.cells import csv_text, neutral
from actions.bulk.checking import Outcome, Verdict
from actions.bulk.reading import told
from actions.sentence import sentence

MOST_FAULTY = 1000  # lines; then nothing more is looked at
MOST_SHOWN = 200  # lines; the rest is in the file of the whole report
HEADER = ("line", "external_id", "outcome", "column", "words")


class Report:
    """Grows with the verdicts. `digest` is the same where every line has the same outcome.

    Rules are told as sentences, with times in `zone`.
    """

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self.counts: Counter[str] = Counter()
        self.edits: list[UUID] = []
        self._faulty: list[dict[str, Any]] = []
        self._others: list[dict[str, Any]] = []
        self._hash = sha256()
        self._packed: list[bytes] = []
        self._packer = zlib.compressobj()
        self._pack([HEADER])

    def add(self, verdicts: Sequence[Verdict]) -> None:
        for verdict in verdicts:
            self._count(verdict)
        self._pack([line for verdict in verdicts for line in _lines(verdict)])

    @property
    def rules(self) -> int:
        return self.counts.total()

    @property
    def is_full(self) -> bool:
        """Whether so much is wrong that the rest is not looked at."""
        return self.counts[Outcome.ERROR] >= MOST_FAULTY

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def shown(self) -> list[dict[str, Any]]:
        """The first lines, those that are wrong before the others, none that changes nothing."""
        return [*self._faulty, *self._others][:MOST_SHOWN]

    def packed(self) -> bytes:
        """All lines as CSV, compressed. Nothing can be added after this."""
        return b"".join([*self._packed, self._packer.flush()])

    def _count(self, verdict: Verdict) -> None:
        outcome = verdict.outcome
        self.counts[outcome.value] += 1
        self._hash.update(f"{verdict.line} {outcome} {' '.join(verdict.changes)}\n".encode())
        if outcome is Outcome.CHANGED and verdict.action is not None:
            self.edits.append(verdict.action.pk)
        kept = self._faulty if outcome is Outcome.ERROR else self._others
        if outcome is not Outcome.UNCHANGED and len(kept) < MOST_SHOWN:
            kept.append(
                {
                    "line": verdict.line,
                    "external_id": verdict.name,
                    "description": self._said(verdict),
                    "outcome": outcome.value,
                    "changes": list(verdict.changes),
                    "errors": [
                        {"line": fault.line, "column": fault.column, "message": told(fault.words)}
                        for fault in verdict.faults
                    ],
                }
            )

    def _said(self, verdict: Verdict) -> str:
        """The rule as it is to be; empty where it cannot be."""
        if verdict.outcome is Outcome.ERROR:
            return ""
        if verdict.action is not None:
            return verdict.action.sentence(self._zone)
        return sentence(verdict.rule, self._zone) if verdict.rule else ""

    def _pack(self, rows: Sequence[Sequence[object]]) -> None:
        self._packed.append(self._packer.compress(csv_text(rows).encode()))


def unpacked(packed: bytes) -> Iterator[bytes]:
    """The CSV of a report, in pieces."""
    unpacker = zlib.decompressobj()
    rest = packed
    while rest:
        yield unpacker.decompress(rest, 1 << 16)
        rest = unpacker.unconsumed_tail
    yield unpacker.flush()


def _lines(verdict: Verdict) -> Iterator[Sequence[object]]:
    name = neutral(verdict.name)
    if verdict.outcome is not Outcome.ERROR:
        yield verdict.line, name, verdict.outcome.value, "", ", ".join(verdict.changes)
    for fault in verdict.faults:
        words = neutral(told(fault.words))
        yield fault.line, name, verdict.outcome.value, neutral(fault.column), words
