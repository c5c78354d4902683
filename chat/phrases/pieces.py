"""Cuts a text into words, numbers, symbols and punctuation. Pure.

The pieces are tokens of the types WORD, NUM, MONEY, PCT, CLOCK, ISO, SLASH, NTH, PERIOD, TICKER,
OP, SEP and STRANGE; the other modules make of them what the grammar reads.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from decimal import Decimal
from itertools import groupby
from typing import Any

from chat.phrases.tokens import Token

# What people paste in place of the plain sign.
_PLAIN = str.maketrans(
    {
        **dict.fromkeys("‘’‛′`´", "'"),
        **dict.fromkeys("“”„″«»", '"'),
        **dict.fromkeys("‐‑‒–—−", "-"),
        "≥": ">=",
        "≤": "<=",
        "…": "...",
        "×": "x",
        "½": " 0.5 ",
        "¼": " 0.25 ",
        "¾": " 0.75 ",
    }
)

SCALES: Mapping[str, int] = {
    "k": 10**3,
    "m": 10**6,
    "mm": 10**6,
    "mn": 10**6,
    "b": 10**9,
    "bn": 10**9,
}

# "USD 150" is $150; "500 USD 10 shares" is not.
_DOLLARS = re.compile(r"(?<![\w.,])(?<!\d )USD ?(?=\d)", re.IGNORECASE)
_UNEQUAL = re.compile("!=|<>")

_STANDS_OUT = re.compile("<(super|sub|fraction|circle|square)>").match

_NUMBER = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+"
_ENDS = r"(?![\w.,]*\d)(?!\w)"
_PIECES = re.compile(
    rf"""
    (?P<ISO>20\d\d-[01]\d-[0-3]\d|20\d\d/[01]\d/[0-3]\d(?![\d/])
            |20\d\d[01]\d[0-3]\d(?!\d))
  | (?P<CLOCK>(?:[01]?\d|2[0-3]):[0-5]\d(?::00)?(?:\s?[ap]\.?m\b\.?)?
            |(?:1[0-2]|0?[1-9])\s?[ap]\.?m\b\.?)
  | (?P<SLASH>\d+(?:\.\d+)?(?:/\d+(?:\.\d+)?)+)
  | (?P<NTH>\d{{1,2}}(?:st|nd|rd|th)\b)
  | (?P<PERIOD>\d{{1,4}}-(?:day|session|week|month)s?\b|\d{{1,4}}[-\s]?(?:[dse]ma)\b)
  | (?P<SIGNED>(?<![\w)])[-+]\s?\$?(?:{_NUMBER}){_ENDS})
  | (?P<PCT>(?:{_NUMBER})\s?%)
  | (?P<MONEY>\$\s?(?:{_NUMBER})(?:\s?(?:k|mm|mn|m|bn|b|K|M|B)\b)?(?!\w)
            |(?:{_NUMBER})(?:k|K|M|m)?\s?\$(?!\w))
  | (?P<NUM>(?:{_NUMBER})(?:k|mm|mn|m|bn|b|K|M|B)?(?!\w|\.\d))
  | (?P<TICKER>\$[A-Za-z][A-Za-z.]{{0,7}}\b)
  | (?P<MULT>(?:{_NUMBER})x\b)
  | (?P<WORD>\d*[^\W\d_](?:[\w]|['&.-](?=[^\W_]))*)
  | (?P<OP>>=|<=|=>|=<|>|<|=|@|\+|&)
  | (?P<SEP>[.,;:!?()\[\]{{}}"'|/*\n-]+)
  | (?P<STRANGE>\S)
    """,
    re.VERBOSE,
)


def plain(text: str) -> str:
    """The text with plain quotes, dashes, digits and spaces, and nothing that is not seen."""
    folded = _folded(text.translate(_PLAIN)).translate(_PLAIN)
    seen = "".join(
        " " if sign.isspace() else sign
        for sign in folded
        if unicodedata.category(sign) not in ("Cf", "Cs", "Cn") and (sign >= " " or sign.isspace())
    )
    seen = _UNEQUAL.sub(" ≠ ", _DOLLARS.sub("$", seen))
    return re.sub(" +", " ", seen).strip()


def _folded(text: str) -> str:
    """In one form for what looks alike (NFKC), but for signs that say more than their digits do:
    10\u00b2 is not 102."""
    runs = groupby(text, key=lambda sign: bool(_STANDS_OUT(unicodedata.decomposition(sign))))
    return "".join(
        "".join(signs) if stands_out else unicodedata.normalize("NFKC", "".join(signs))
        for stands_out, signs in runs
    )


def pieces(text: str) -> list[Token]:
    """The pieces of a text that is already plain."""
    found = []
    for match in _PIECES.finditer(text):
        kind = match.lastgroup or "STRANGE"
        shown = match[0]
        read = _VALUES.get(kind)
        found.append(Token(kind, read(shown) if read else shown, shown, *match.span()))
    return found


def amount(text: str) -> Decimal:
    """The number that "1.5k", "$2,000" or "100M" stands for."""
    bare = text.lower().strip(" $").replace(",", "")
    digits = bare.rstrip("kmbn ")
    scale = bare[len(digits) :].strip()
    return Decimal(digits) * SCALES.get(scale, 1)


_VALUES: Mapping[str, Callable[[str], Any]] = {
    "PCT": lambda text: Decimal(text.rstrip("% ").replace(",", "")),
    "MONEY": amount,
    "NUM": amount,
    "MULT": lambda text: amount(text.rstrip("xX")),
    "NTH": lambda text: int(text[:-2]),
}
