"""Companies by their names and symbols as people write them. Pure.

A name counts only where it is the whole name of one listing, or a nickname below. A part of a name
("Delta") or the name of several listings ("Alphabet") is a name that must be asked about.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import takewhile
from typing import NamedTuple

from chat.phrases.slips import Slips
from chat.phrases.tokens import Token
from market.directory import Directory, Listing

LONGEST_NAME = 6  # words
_SHORTEST_NAME = 3  # letters

# Names that everybody uses and no listing has. Several symbols: which one is asked.
NICKNAMES: Mapping[str, tuple[str, ...]] = {
    "abnb": ("ABNB",),
    "amazon": ("AMZN",),
    "amex": ("AXP",),
    "berkshire": ("BRK.A", "BRK.B"),
    "boa": ("BAC",),
    "bofa": ("BAC",),
    "chase": ("JPM",),
    "citi": ("C",),
    "coke": ("KO",),
    "delta airlines": ("DAL",),
    "disney": ("DIS",),
    "exxon": ("XOM",),
    "exxon mobil": ("XOM",),
    "facebook": ("META",),
    "ford": ("F",),
    "general electric": ("GE",),
    "gm": ("GM",),
    "goldman": ("GS",),
    "google": ("GOOG", "GOOGL"),
    "google class a": ("GOOGL",),
    "google class c": ("GOOG",),
    "johnson and johnson": ("JNJ",),
    "jpmorgan": ("JPM",),
    "jpmorgan chase": ("JPM",),
    "jp morgan": ("JPM",),
    "macys": ("M",),
    "mcdonalds": ("MCD",),
    "meta": ("META",),
    "micron": ("MU",),
    "nasdaq 100": ("QQQ", "QQQM"),
    "palantir": ("PLTR",),
    "pepsi": ("PEP",),
    "procter and gamble": ("PG",),
    "qqqs": ("QQQ",),
    "s&p": ("SPY", "VOO", "IVV"),
    "s&p 500": ("SPY", "VOO", "IVV"),
    "sp500": ("SPY", "VOO", "IVV"),
    "the s&p": ("SPY", "VOO", "IVV"),
    "square": ("XYZ",),
    "united airlines": ("UAL",),
    "verizon": ("VZ",),
    "walt disney": ("DIS",),
    "wells fargo": ("WFC",),
    "american airlines": ("AAL",),
    "broadcom": ("AVGO",),
    "qualcomm": ("QCOM",),
    "spys": ("SPY",),
    "the spy": ("SPY",),
    "gold": ("GLD", "IAU", "GOLD"),
    "silver": ("SLV", "SIVR"),
    "oil": ("USO", "XLE"),
    "bitcoin": ("IBIT", "FBTC"),
    "ethereum": ("ETHA", "FETH"),
    "nasdaq": ("QQQ", "NDAQ"),
    "dow": ("DIA", "DOW"),
    "dow jones": ("DIA", "DOW"),
}

# Symbols of companies, and much oftener something else.
TERMS = frozenset(
    [
        "RSI",
        "MACD",
        "ATR",
        "EPS",
        "PE",
        "CEO",
        "CFO",
        "IPO",
        "GDP",
        "CPI",
        "FED",
        "ETF",
        "USD",
        "USA",
        "ATH",
        "ROI",
        "VWAP",
        "ADX",
        "OBV",
        "EST",
        "EDT",
        "PST",
        "GTC",
        "EOD",
        "DCA",
        "AM",
        "PM",
        "OK",
        "TV",
        "BTC",
        "ETH",
        "XRP",
        "DJIA",
        "DAX",
    ]
)

# Words that are also symbols, which in small letters they are not meant to be.
_WORDS_FIRST = frozenset(
    [
        "air",
        "army",
        "ball",
        "band",
        "bar",
        "bid",
        "bill",
        "bit",
        "bond",
        "box",
        "car",
        "city",
        "fly",
        "fun",
        "fund",
        "gap",
        "grow",
        "hard",
        "he",
        "job",
        "kids",
        "luck",
        "mid",
        "pay",
        "play",
        "post",
        "real",
        "rock",
        "run",
        "safe",
        "tax",
        "team",
        "tech",
    ]
)

_WORDS = re.compile(r"[^0-9a-z&]+")
_FORMS = frozenset(
    [
        "inc",
        "incorporated",
        "corp",
        "corporation",
        "co",
        "company",
        "ltd",
        "limited",
        "plc",
        "llc",
        "lp",
        "nv",
        "n",
        "v",
        "sa",
        "ag",
        "se",
        "holdings",
        "holding",
        "group",
        "the",
        "new",
        "com",
        "trust",
        "reit",
    ]
)
_TAIL = re.compile(
    r"(,?\s*(ordinary shares?|common (stock|shares)|capital stock|"
    r"american depositary shares?|when-issued)\b.*)|\(.*?\)",
    re.IGNORECASE,
)
_CLASS = re.compile(r"\b(?:class|series) ([a-c])\b")
_FUNDS = re.compile(
    r"\b(etf|etn|fund|notes?|preferred|warrants?|rights?|units?|depositary)\b", re.IGNORECASE
)


class Named(NamedTuple):
    """What a name may stand for. One symbol: it is known."""

    symbols: tuple[str, ...]


class Names:
    """The names of a directory's listings."""

    def __init__(self, directory: Directory, own: frozenset[str], slips: Slips) -> None:
        """`own`: symbols that the user holds or has rules on. `slips`: of the words of the
        language, which a symbol in small letters must not be mistaken for."""
        self._directory = directory
        self._index = _index(directory)
        self._own = own
        self._slips = slips

    def longest(self, tokens: Sequence[Token]) -> tuple[int, Named] | None:
        """The longest name or symbol that the tokens begin with, and how many they are."""
        texts = [token.text for token in takewhile(_may_name, tokens[:LONGEST_NAME])]
        if texts[0].isupper() and len(texts[0]) > 1 and (symbol := self.symbol(texts[0])):
            return 1, Named((symbol,))
        for length in range(len(texts), 0, -1):
            if self._everyday(texts[:length]):
                continue
            name = " ".join(texts[:length])
            for key in (_key(name), _key(name.removesuffix("'s"))):
                if key and (symbols := NICKNAMES.get(key) or self._index.names.get(key)):
                    return length, Named(self._listed(symbols))
        symbol = self.symbol(texts[0])
        return (1, Named((symbol,))) if symbol else None

    def ticker(self, text: str) -> Named | None:
        """What "$AAPL" stands for: with the sign it is a symbol, whatever else the word means."""
        symbol = text.lstrip("$").rstrip(".").upper()
        return Named((symbol,)) if self._directory.get(symbol) else None

    def _everyday(self, texts: Sequence[str]) -> bool:
        """Whether it is hardly a name: words of the language in small letters, or a slip of one."""
        if any(text[:1].isupper() for text in texts):
            return (
                all(self._slips.knows(text.lower()) for text in texts)
                and len(texts) > 1
                and not all(text[:1].isupper() for text in texts)
            )
        if len(texts) > 1:
            return all(self._slips.knows(text) for text in texts)
        return texts[0] in _WORDS_FIRST or (
            texts[0] not in NICKNAMES
            and self._is_small(texts[0])
            and bool(self._slips.meant(texts[0]))
        )

    def _is_small(self, name: str) -> bool:
        listings = [self._directory.get(symbol) for symbol in self._index.names.get(_key(name), ())]
        return not any(listing and listing.large for listing in listings)

    def symbol(self, text: str) -> str | None:
        """The symbol that `text` is, if it cannot be a slip of the pen for something else."""
        symbol = text.upper().replace("-", ".").replace("/", ".").removesuffix("'S")
        listing = self._directory.get(symbol)
        if listing is None or symbol in TERMS:
            return None
        typed = text.removesuffix("'s")
        if typed.isupper() or symbol in self._own:
            return symbol
        if typed in _WORDS_FIRST:
            return None
        if len(symbol) == 1 or (typed != typed.lower() and typed != typed.capitalize()):
            return None
        everyday = self._slips.knows(typed.lower()) or self._slips.meant(typed.lower())
        if everyday and not listing.large:
            return None
        return symbol

    def candidates(self, text: str) -> Sequence[Listing]:
        """What may be meant by a word that is no symbol, the likeliest first."""
        known = _index(self._directory)
        word = _key(text)
        called = known.first_words.get(word, ())
        for name in known.name_slips.meant(word) if word else ():
            called = (*called, *known.first_words[name])
        alike = known.slips.meant(text.lower()) if text != text.lower() else ()
        found = [
            self._directory.get(symbol) for symbol in (*called, *(one.upper() for one in alike))
        ]
        listings = {one.symbol: one for one in found if one is not None}
        return sorted(listings.values(), key=lambda one: not one.large)[:3]

    def name(self, symbol: str) -> str:
        listing = self._directory.get(symbol)
        return listing.name if listing else symbol

    def _listed(self, symbols: Sequence[str]) -> tuple[str, ...]:
        return tuple(symbol for symbol in symbols if self._directory.get(symbol)) or tuple(symbols)


def _may_name(token: Token) -> bool:
    return token.type in ("WORD", "NUM") or token.text == "&"


def _key(name: str) -> str:
    """A name without case, punctuation and legal forms: "amazon" for "Amazon.com, Inc."."""
    cut = name.lower().replace("'s", "s")
    words = _WORDS.sub(" ", cut).split()
    if words and words[0] == "the" and len(words) > 1:
        words = words[1:]
    while len(words) > 1 and words[-1] in _FORMS:
        words.pop()
    return " ".join(words)


class _Index(NamedTuple):
    names: Mapping[str, tuple[str, ...]]  # symbols by the whole name
    first_words: Mapping[str, tuple[str, ...]]  # symbols by the word that their name begins with
    slips: Slips  # of symbols, in small letters
    name_slips: Slips  # of the first words of the names of large companies


@lru_cache(maxsize=4)
def _index(directory: Directory) -> _Index:
    names: dict[str, list[str]] = {}
    first_words: dict[str, list[str]] = {}
    large: set[str] = set()
    for listing in directory.listings():
        for key in _keys(listing):
            names.setdefault(key, []).append(listing.symbol)
            first_words.setdefault(key.partition(" ")[0], []).append(listing.symbol)
            if listing.large:
                large.add(key.partition(" ")[0])
    return _Index(
        {key: tuple(symbols) for key, symbols in names.items()},
        {word: tuple(symbols) for word, symbols in first_words.items()},
        Slips(listing.symbol.lower() for listing in directory.listings()),
        Slips(large),
    )


def _keys(listing: Listing) -> Iterator[str]:
    """The names of a company's shares: with its class, and without."""
    if _FUNDS.search(listing.name):
        return
    bare = _TAIL.sub("", listing.name)
    letter = _CLASS.search(bare.lower())
    key = _key(re.split(r",?\s*(?i:class|series) [A-C]\b", bare)[0])
    if len(key) < _SHORTEST_NAME or key.isdigit():
        return
    yield key
    if letter:
        yield f"{key} class {letter[1]}"
