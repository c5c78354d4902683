"""Whose price it is: a symbol that changes its company is another instrument."""

import re
from collections.abc import Iterable

from django.db import connection

from market.models import Instrument
from market.providers import Company, Complaint, Quotes

KIND = "another company"

# Legal forms and punctuation come and go in a feed's spelling of the same company.
_WORDS = re.compile(r"[^0-9a-z]+")
_FORMS = frozenset(
    (
        *("the", "inc", "incorporated", "corp", "corporation", "co", "company", "ltd", "limited"),
        *("plc", "llc", "lp", "nv", "sa", "ag", "se", "holdings", "holding", "group"),
    )
)

_NAME = """
UPDATE market_instrument SET feed_name = said.name
  FROM unnest(%s::text[], %s::text[]) AS said(symbol, name)
 WHERE market_instrument.symbol = said.symbol AND feed_name = ''
"""


def same_company(one: str, other: str) -> bool:
    """Whether two spellings name one company: case, punctuation and legal form do not count."""
    return _essence(one) == _essence(other)


def strangers(answers: Iterable[Quotes]) -> list[Complaint]:
    """The symbols whose quotes are another company's, or in another currency, than before.

    The first name that a feed has for a symbol is kept; an administrator empties it (in the admin)
    once a new name is known to be right.
    """
    companies = {symbol: said for one in answers for symbol, said in one.companies.items()}
    if not any(said.name or said.currency for said in companies.values()):
        return []
    rows = Instrument.objects.filter(symbol__in=companies)
    known = {row.symbol: row for row in rows}
    found = []
    first_names = {}
    for symbol, said in companies.items():
        instrument = known.get(symbol)
        if instrument is None:
            continue
        if complaint := _complaint(instrument, said):
            found.append(complaint)
        elif said.name and not instrument.feed_name:
            first_names[symbol] = said.name[:200]
    if first_names:
        with connection.cursor() as cursor:
            cursor.execute(_NAME, [list(first_names), list(first_names.values())])
    return found


def _complaint(instrument: Instrument, said: Company) -> Complaint | None:
    if said.currency and said.currency != instrument.currency:
        words = f"quoted in {said.currency}, not in {instrument.currency}"
    elif said.name and instrument.feed_name and not same_company(said.name, instrument.feed_name):
        words = f"now the feed calls it “{said.name}”, until now “{instrument.feed_name}”"
    else:
        return None
    return Complaint(
        instrument.symbol,
        KIND,
        f"{words}. If that is right, empty the instrument's feed name in the admin.",
    )


def _essence(name: str) -> tuple[str, ...]:
    words = _WORDS.sub(" ", name.lower()).split()
    return tuple(word for word in words if word not in _FORMS) or tuple(words)
