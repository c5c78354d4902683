"""PostgreSQL arrays in their text form, to send thousands of rows as a few parameters. Pure.

psycopg adapts a list value by value, which takes longer than the statement that reads it. The
statement names each array's type: `%s::numeric[]`.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

_MICROSECOND = timedelta(microseconds=1)


def plain_array(values: Iterable[object]) -> str:
    """Of values whose text needs no quotes: numbers, booleans and None."""
    return f"{{{','.join(['NULL' if value is None else str(value) for value in values])}}}"


def uuid_array(values: Iterable[UUID | None]) -> str:
    """Of UUIDs, without the dashes, which take longer to write than the rest."""
    return f"{{{','.join(['NULL' if id is None else f'{id.int:032x}' for id in values])}}}"


def instant_array(values: Iterable[datetime | None]) -> str:
    """Of instants. Writing one is what takes long, and thousands of quotes are of a few seconds."""
    listed = list(values)
    written = {
        instant: "NULL" if instant is None else instant.isoformat() for instant in set(listed)
    }
    return f"{{{','.join([written[instant] for instant in listed])}}}"


def age_array(values: Iterable[datetime], now: datetime) -> str:
    """Of instants, each as the microseconds that it lies before `now` (`%s::bigint[]`): numbers are
    written here and read there in half the time. PostgreSQL's intervals give them back exactly
    within 285 years."""
    return f"{{{','.join([str((now - instant) // _MICROSECOND) for instant in values])}}}"


def text_array(values: Iterable[str | None]) -> str:
    """Of any text, whatever quotes or braces are in it."""
    listed = list(values)
    if plainly := _of_plain_texts(listed):
        return plainly
    quoted = {text: _quoted(text) for text in set(listed)}
    return f"{{{','.join([quoted[text] for text in listed])}}}"


def json_array(values: Iterable[Mapping[str, Any]]) -> str:
    """Of JSON objects: an array of JSON's own, which `jsonb_array_elements(%s::jsonb)` takes apart.

    To quote each object once more, as PostgreSQL's arrays want it, takes several times as long.
    """
    return orjson.dumps(list(values)).decode()


def _of_plain_texts(texts: list[str | None]) -> str | None:
    """All at once, where no text needs more than the quotes around it, as in symbols."""
    if not texts or None in texts:
        return None
    joined = '","'.join(texts)  # type: ignore[arg-type]
    if "\\" in joined or joined.count('"') > 2 * (len(texts) - 1):
        return None
    return f'{{"{joined}"}}'


def _quoted(text: str | None) -> str:
    if text is None:
        return "NULL"
    return '"' + text.replace("\\", r"\\").replace('"', r"\"") + '"'
