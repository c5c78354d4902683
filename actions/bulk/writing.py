"""Writes rules to files, while they are read from the database."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from django.db.models import QuerySet

from actions.bulk.cells import csv_text, neutral
from actions.bulk.columns import NAMES, NEEDED, cell_of
from actions.models import Action
from rest.answers import as_json, decimal_text, instant_text

A_PIECE = 500  # rules that are written at a time
MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "jsonl": "application/x-ndjson",
}


def written(rules: QuerySet[Action], *, form: str, zone: ZoneInfo) -> Iterator[bytes]:
    """The rules as a file of one of MEDIA_TYPES, oldest first, in pieces. Sentences are in `zone`.

    They are read from the database while the file is sent: memory does not grow with their number.
    """
    told = (_told(rule, zone) for rule in _in_order(rules))
    return _AS[form](_in_pieces(told))


def _in_order(rules: QuerySet[Action]) -> Iterator[Action]:
    ordered = rules.select_related("portfolio").order_by("created_at", "id")
    return ordered.defer("last_evaluation", "waking_quote").iterator(chunk_size=A_PIECE)


def _told(rule: Action, zone: ZoneInfo) -> dict[str, Any]:
    """The rule by the names of the columns, as JSON has it."""
    values = {name: getattr(rule, name) for name in NAMES if name not in {"description"}}
    return {
        **dict.fromkeys(NAMES),
        **values,
        "external_id": rule.external_id or str(rule.pk),
        "description": rule.sentence(zone),
        "portfolio": rule.portfolio.name if rule.portfolio else None,
        "quantity": None if rule.quantity is None else decimal_text(rule.quantity),
        "amount_usd": None if rule.amount_usd is None else str(rule.amount_usd),
        **{
            name: None if values[name] is None else instant_text(values[name])
            for name in ("valid_from", "valid_until", "last_triggered_at", "created_at")
        },
    }


def _in_pieces(told: Iterator[Mapping[str, Any]]) -> Iterator[Sequence[Mapping[str, Any]]]:
    piece = []
    for each in told:
        piece.append(each)
        if len(piece) == A_PIECE:
            yield piece
            piece = []
    if piece:
        yield piece


def _csv(pieces: Iterator[Sequence[Mapping[str, Any]]]) -> Iterator[bytes]:
    yield csv_text([NAMES]).encode()
    for piece in pieces:
        yield csv_text([_cell(name, rule[name]) for name in NAMES] for rule in piece).encode()


def _cell(name: str, value: Any) -> str:
    if isinstance(value, dict):
        return orjson.dumps(value).decode() if value or name in NEEDED else ""
    return neutral(cell_of(name, value))


def _jsonl(pieces: Iterator[Sequence[Mapping[str, Any]]]) -> Iterator[bytes]:
    for piece in pieces:
        yield b"".join(as_json(rule) + b"\n" for rule in piece)


def _json(pieces: Iterator[Sequence[Mapping[str, Any]]]) -> Iterator[bytes]:
    between = b"[\n"
    for piece in pieces:
        yield between + b",\n".join(as_json(rule) for rule in piece)
        between = b",\n"
    yield b"\n]\n" if between == b",\n" else b"[]\n"


_AS: Mapping[str, Callable[[Iterator[Sequence[Mapping[str, Any]]]], Iterator[bytes]]] = {
    "csv": _csv,
    "json": _json,
    "jsonl": _jsonl,
}
