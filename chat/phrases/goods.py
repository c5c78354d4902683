"""Who is meant and how much: the side, the symbols and the size of a rule. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from chat.phrases.names import Named, Names
from chat.phrases.parts import (
    Condition,
    Goods,
    Other,
    Part,
    Size,
    Trade,
    Trail,
    Volume,
    When,
)
from chat.phrases.understood import Question
from chat.phrases.world import World

CONDITIONS = Condition.__args__
_SIZE = "Say a number of shares, such as “10 shares”, or an amount, such as “$500”."


@dataclass(frozen=True, slots=True)
class Subject:
    """What a rule is about: what it does, in what, how much of it, and which symbol it watches
    where that is another."""

    side: str  # BUY, SELL or NOTIFY
    symbol: str | None
    size: Size | None
    watched: str | None


def subject_of(found: Sequence[Part], names: Names, world: World) -> Subject:
    side, closes = _side(found)
    places = _places(found)
    watched = _only(names, [named for place, named in places if place == "watched"])
    topic = _only(names, [named for place, named in places if place == "topic"])
    traded = _only(names, [named for place, named in places if place == "traded"])
    size = _size(found)
    if side == "NOTIFY":
        if size is not None:
            raise Question(
                f"Shall it buy, sell or only tell you? “{_of(size)}” is a size to trade."
            )
        symbol = _agree(traded, topic)
        if symbol and watched and symbol != watched:
            raise Question(f"Which one shall it watch, {symbol} or {watched}?")
        return Subject(side, symbol or watched, None, None)
    symbol = _agree(traded, topic) or _meant_by_it(found, watched)
    if symbol is None:
        raise Question(f"Which symbol shall it {side.lower()}? Such as AAPL.")
    if size is None and closes:
        size = Size("fraction", Decimal(1), noun=True)
    return Subject(
        side, symbol, _checked(size, side, symbol, world), watched if watched != symbol else None
    )


# --- What to do ---


def _side(found: Sequence[Part]) -> tuple[str, bool]:
    """BUY, SELL or NOTIFY, and whether it says to sell all."""
    sides = [part.side for part in found if isinstance(part, Trade)]
    if len(set(sides)) > 1:
        raise Question("Shall it buy or sell? A rule does one of them; write one rule at a time.")
    if sides:
        return ("SELL", True) if sides[0] == "CLOSE" else (sides[0], False)
    kinds = {part.kind for part in found if isinstance(part, Other)}
    if "notify" in kinds:
        return "NOTIFY", False
    sold = kinds & {"STOP", "TARGET", "TRAIL", "protecting"}
    if sold or any(isinstance(part, Trail) for part in found):
        return "SELL", False
    raise Question("What shall happen then: buy, sell, or tell you?")


# --- The symbols ---


def _places(found: Sequence[Part]) -> list[tuple[str, Named]]:
    """Each symbol with the part that it has in the sentence: traded, watched, or its topic."""
    places: list[tuple[str, Named]] = []
    for position, part in enumerate(found):
        after = found[position + 1] if position + 1 < len(found) else None
        before = found[:position]
        if isinstance(part, Trade) and part.goods.symbol:
            places.append(("traded", part.goods.symbol))
        elif isinstance(part, Goods) and part.symbol:
            places.append((_place_of(part, before, after), part.symbol))
        elif isinstance(part, When | Volume) and part.symbol:
            places.append(("watched", part.symbol))
        elif isinstance(part, Other) and part.kind == "about" and part.value:
            places.append(("watched", part.value))
    return places


def _place_of(goods: Goods, before: Sequence[Part], after: Part | None) -> str:
    if goods.size is not None:
        return "traded"
    if isinstance(after, CONDITIONS) and not goods.preposition:
        if before and _named(before[-1]):  # "buy 10 AAPL MSFT below 150"
            raise Question("It names two symbols in a row. Which is traded, and which is watched?")
        return "watched"  # "AAPL above 250"
    conditions = [part for part in before if isinstance(part, CONDITIONS)]
    if conditions and any(isinstance(part, Trade) for part in before):
        if not goods.preposition:  # "buy 10 AAPL below 150 EXP"
            raise Question(
                "It names a symbol after the condition. What is to be done with that one?"
            )
        return "watched"  # "sell 10 AAPL when volume exceeds 100M on SPY"
    return "topic"


def _named(part: Part) -> bool:
    goods = part.goods if isinstance(part, Trade) else part
    return isinstance(goods, Goods) and goods.symbol is not None


def _meant_by_it(found: Sequence[Part], watched: str | None) -> str | None:
    """The symbol of the condition, where what is traded is called "it", or "5 shares" after it.

    "Sell 10 when SPY falls" may have lost its symbol: SPY is not taken for it.
    """
    trade = next((position for position, part in enumerate(found) if isinstance(part, Trade)), None)
    conditions = [position for position, part in enumerate(found) if isinstance(part, CONDITIONS)]
    if trade is None:
        return watched if any(isinstance(part, Trail) for part in found) else None
    goods = found[trade].goods  # type: ignore[union-attr]  # it is a Trade
    named = goods.pronoun or (goods.size is not None and _says_shares(goods.size))
    if named and conditions and conditions[0] < trade:
        return watched
    sold_once = [part for part in found if isinstance(part, Other) and part.kind == "protecting"]
    return watched if sold_once else None


def _says_shares(size: Size) -> bool:
    return size.kind == "quantity" and size.noun


def _agree(one: str | None, other: str | None) -> str | None:
    if one and other and one != other:
        raise Question(f"Which one do you mean, {other} or {one}? Write one rule for each.")
    return one or other


def _only(names: Names, found: Iterable[Named]) -> str | None:
    """The one symbol that all of these are; asks which where they are several."""
    symbols: dict[str, None] = {}
    for named in found:
        if len(named.symbols) > 1:
            raise Question(which(named.symbols, names))
        symbols[named.symbols[0]] = None
    if len(symbols) > 1:
        raise Question(f"Which one do you mean, {' or '.join(symbols)}? Write one rule for each.")
    return next(iter(symbols), None)


def which(symbols: Sequence[str], names: Names) -> str:
    shown = [f"{symbol} ({names.name(symbol)})" for symbol in symbols[:4]]
    return f"Which one do you mean: {', '.join(shown[:-1])} or {shown[-1]}? Write its symbol."


# --- The size ---


def _size(found: Sequence[Part]) -> Size | None:
    sizes: dict[Size, None] = {}
    for part in found:
        goods = part.goods if isinstance(part, Trade) else part
        if not isinstance(goods, Goods) or goods.size is None:
            continue
        bare = isinstance(part, Goods) and not (goods.symbol or goods.preposition)
        if bare and not goods.size.noun:
            raise Question(
                f"What is {goods.size.value.normalize():,f}: a number of shares or a price?"
            )
        sizes[Size(goods.size.kind, goods.size.value, noun=True)] = None
    if len(sizes) > 1:
        raise Question(f"How much is it, {' or '.join(_of(size) for size in sizes)}?")
    return next(iter(sizes), None)


def _checked(size: Size | None, side: str, symbol: str, world: World) -> Size:
    if size is None:
        raise Question(f"How much {symbol} shall it {side.lower()}? {_SIZE}")
    if size.kind == "unclear":
        raise Question(f"Is it {_of(size)} shares or ${_of(size)}? {_SIZE}")
    if size.value <= 0:
        raise Question(f"{_of(size)} is not a size to trade. {_SIZE}")
    if size.kind == "fraction":
        _check_part(size, side, symbol, world)
    return size


def _check_part(size: Size, side: str, symbol: str, world: World) -> None:
    if side == "BUY":
        raise Question(f"A part of what? {_SIZE}")
    if size.value > 1:
        raise Question(f"Nobody can sell more than all of it. {_SIZE}")
    if world.holdings is None:
        raise Question(
            f"Your portfolio is not known here. How many shares of {symbol} shall it sell?"
        )
    if not world.holdings.get(symbol):
        raise Question(f"You hold no {symbol} at the moment. How many shares shall it sell?")


def _of(size: Size) -> str:
    value = f"{size.value.normalize():,f}"
    if size.kind == "amount_usd":
        return f"${value}"
    if size.kind == "unclear":
        return value
    if size.kind == "quantity":
        return "1 share" if size.value == 1 else f"{value} shares"
    return f"{(size.value * 100).normalize():f} %"
