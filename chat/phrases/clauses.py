"""How the grammar (grammar.lark) makes clauses of tokens. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, cast

from lark import Lark, Transformer, v_args
from lark import Token as Terminal
from lark.exceptions import UnexpectedToken
from lark.lexer import Lexer, LexerState

from chat.phrases.parts import (
    NOTHING,
    Anchor,
    Averages,
    Away,
    Distance,
    Goods,
    Level,
    Moved,
    Other,
    Part,
    Reach,
    Size,
    Trade,
    Trail,
    Volume,
    When,
)
from chat.phrases.spans import Span
from chat.phrases.tokens import Token

_THOUSAND = Decimal(1000)
_INVESTING = frozenset({"invest", "dca"})  # money, more often than shares

GRAMMAR = Path(__file__).with_name("grammar.lark")


class NotUnderstood(ValueError):
    """Words that have no place in the sentence; None where the sentence ends too early."""

    def __init__(self, token: Token | None) -> None:
        self.token = token
        super().__init__(token.text if token else "")


def parts(tokens: Sequence[Token]) -> list[Part]:
    """The clauses that the tokens are. Raises NotUnderstood."""
    try:
        tree = _parser().parse(tokens)
    except UnexpectedToken as unexpected:
        token = unexpected.token
        raise NotUnderstood(None if token.type == "$END" else token.value) from None
    found: list[Part] = _Clauses().transform(tree)
    return found


class Tokens(Lexer):
    """Hands the scanner's tokens to lark."""

    __future_interface__ = 2

    def __init__(self, conf: object) -> None:
        """Nothing is configured: the tokens are there already."""

    def lex(self, lexer_state: LexerState, parser_state: object) -> Iterator[Terminal]:
        for token in cast("Sequence[Token]", lexer_state.text):
            terminal = Terminal(token.type, token.text, token.start, end_pos=token.end)
            terminal.value = token
            yield terminal


@cache
def _parser() -> Lark:
    return Lark(
        GRAMMAR.read_text(encoding="utf-8"), parser="lalr", lexer=Tokens, maybe_placeholders=False
    )


def _of(children: Sequence[Any], *types: str) -> Any:
    """The value of the first token that is one of these; None without any."""
    return next(
        (c.value.value for c in children if isinstance(c, Terminal) and c.type in types), None
    )


def _kind(children: Sequence[Any], *types: str) -> str | None:
    return next((c.type for c in children if isinstance(c, Terminal) and c.type in types), None)


def _one[T](children: Sequence[Any], kind: type[T]) -> T | None:
    return next((child for child in children if isinstance(child, kind)), None)


def _first(children: Sequence[Any], default: Decimal) -> Decimal:
    found = _one(children, Decimal)
    return default if found is None else found


def _span(children: Sequence[Any]) -> Span | None:
    span: Span | None = _of(children, "PERIOD", "SPAN")
    return span


def _may_be_dollars(size: Size, children: Sequence[Any]) -> bool:
    """ "500 in AAPL", "5k of AAPL" may be shares or dollars; "500 of AAPL" and "5k AAPL" are
    shares."""
    if size.noun:
        return False
    return _kind(children, "IN") is not None or (
        size.value >= _THOUSAND and not size.digits and _kind(children, "OF") is not None
    )


def _is_simple(children: Sequence[Any]) -> bool:
    """Whether an average is called simple, and not just an average."""
    return any(
        isinstance(child, Terminal)
        and child.type == "MA"
        and ("simple" in child.value.text.lower() or "sma" in child.value.text.lower())
        for child in children
    )


class _Mover(str):
    """FALL, RISE or MOVE."""


class _Side(str):
    """BELOW or ABOVE."""


@v_args(inline=False)
class _Clauses(Transformer[Any, Any]):
    """Makes the clauses of the tree; each method is a rule of the grammar."""

    def start(self, children: list[Any]) -> list[Part]:
        return [
            child for child in children if not isinstance(child, Terminal) and child is not None
        ]

    # --- What to do ---

    def kind(self, children: list[Any]) -> Other:
        return Other("kind", children[0].type)

    def trade(self, children: list[Any]) -> Trade:
        kind = _one(children, Other)
        goods = _one(children, Goods) or Goods()
        if children[0].value.text.lower() in _INVESTING and goods.size and not goods.size.noun:
            goods = replace(goods, size=replace(goods.size, kind="unclear"))
        return Trade(_of(children, "SIDE"), goods, kind.value if kind else None)

    def goods(self, children: list[Any]) -> Goods:
        size = _one(children, Size)
        if size is not None and _may_be_dollars(size, children):
            size = replace(size, kind="unclear")
        if (percent := _of(children, "PCT")) is not None:
            size = Size("fraction", percent / 100, noun=True)
        return Goods(size, _of(children, "SYMBOL"), _kind(children, "IT") is not None)

    def count(self, children: list[Any]) -> Size:
        digits = children[0].value.text.replace(",", "").isdecimal()
        return Size("quantity", _of(children, "NUM"), noun=False, digits=digits)

    def shares(self, children: list[Any]) -> Size:
        return Size("quantity", _of(children, "NUM"), noun=True)

    def dollars(self, children: list[Any]) -> Size:
        return Size("amount_usd", _of(children, "MONEY"), noun=True)

    def part(self, children: list[Any]) -> Size:
        texts = [child.value.text.lower() for child in children]
        if texts[0] in ("whole", "full", "entire") and texts[1:] == ["share"]:
            return Size("quantity", Decimal(1), noun=True)
        above, _, below = _of(children, "PART").partition("/")
        fraction = Decimal(above) / Decimal(below or 1)
        return Size("fraction", round(fraction, 12), noun=True)

    def lot(self, children: list[Any]) -> Goods:
        goods = _one(children, Goods) or Goods()
        preposition = _one(children, Other)
        size = goods.size
        for_it = preposition is not None and preposition.value in ("FOR", "WITH")
        if for_it and size and not (size.noun or goods.symbol):  # "buy AAPL for 500"
            size = replace(size, kind="unclear")
        return Goods(size, goods.symbol, goods.pronoun, preposition is not None)

    def preposition(self, children: list[Any]) -> Other:
        return Other("preposition", children[0].type)

    def watching(self, children: list[Any]) -> Other:
        return Other("watching" if _kind(children, "WATCH") else "protecting")

    def percent(self, children: list[Any]) -> Other:
        return Other("percent", _one(children, Distance) or self.distance(children))

    def drift(self, children: list[Any]) -> Other:
        return Other("drift", _one(children, Distance))

    def tolerance(self, children: list[Any]) -> Distance:
        return self.distance(children)

    # --- When ---

    def when(self, children: list[Any]) -> When:
        subject = _one(children, Other)
        return When(_kind(children, "WHENEVER") is not None, subject.value if subject else None)

    def subject(self, children: list[Any]) -> Other:
        return Other("subject", _of(children, "SYMBOL"))

    def about(self, children: list[Any]) -> Other:
        return Other("about", _of(children, "SYMBOL"))

    def mover(self, children: list[Any]) -> _Mover:
        return _Mover(children[0].type)

    def side(self, children: list[Any]) -> _Side:
        return _Side(children[0].type)

    def price(self, children: list[Any]) -> Decimal:
        value: Decimal = _of(children, "NUM", "MONEY")
        return value

    def distance(self, children: list[Any]) -> Distance:
        kind = _kind(children, "PCT", "MONEY", "NUM") or ""
        unit = "PCT" if kind == "NUM" and children[0].type == "PCT" else kind
        return Distance(unit, _of(children, kind))

    point_distance = distance
    distance_only = distance
    trailing = distance

    def level(self, children: list[Any]) -> Level:
        price = _one(children, Decimal) or Decimal(0)
        mover = _one(children, _Mover)
        side: str | None = _one(children, _Side)
        if side is None:
            side = {"OR_LOWER": "BELOW", "OR_HIGHER": "ABOVE"}.get(
                _kind(children, "OR_LOWER", "OR_HIGHER") or ""
            )
        if side is None:
            side = {"FALL": "BELOW", "RISE": "ABOVE"}.get(str(mover))
        return Level(side, price, mover) if side else Reach(price)  # type: ignore[return-value]

    def reach(self, children: list[Any]) -> Reach:
        return Reach(_one(children, Decimal) or Decimal(0))

    def crossing(self, children: list[Any]) -> Level | Reach:
        price = _one(children, Decimal) or Decimal(0)
        side: str | None = _one(children, _Side)
        kind = _kind(children, "CROSS_UP", "CROSS_DOWN")
        side = side or {"CROSS_UP": "ABOVE", "CROSS_DOWN": "BELOW"}.get(kind or "")
        return Level(side, price, cross=True) if side else Reach(price, cross=True)

    def moved(self, children: list[Any]) -> Moved:
        distance = _one(children, Distance) or NOTHING
        return Moved(
            _one(children, _Mover) or "MOVE", distance, at_most=_one(children, _Side) == "BELOW"
        )

    def away(self, children: list[Any]) -> Away:
        distance = _one(children, Distance) or NOTHING
        anchor = _one(children, Anchor) or Anchor("average")
        relation = _kind(children, "BELOW", "ABOVE", "FROM", "AWAY") or "FROM"
        return Away(_one(children, _Mover), distance, relation, anchor)

    def high(self, children: list[Any]) -> Anchor:
        return Anchor("high", _span(children))

    def low(self, children: list[Any]) -> Anchor:
        return Anchor("low", _span(children))

    def cost(self, children: list[Any]) -> Anchor:
        return Anchor("cost")

    def previous_close(self, children: list[Any]) -> Anchor:
        return Anchor("previous_close")

    def earlier(self, children: list[Any]) -> Anchor:
        return Anchor("previous_close", _span(children))

    def fixed(self, children: list[Any]) -> Anchor:
        return Anchor("fixed", price=children[0])

    def average(self, children: list[Any]) -> Anchor:
        return Anchor("average")

    def volume(self, children: list[Any]) -> Volume:
        much = next((child for child in children if isinstance(child, Volume)), Volume(None))
        return Volume(_of(children, "SYMBOL"), much.shares, much.multiple, much.span)

    def shares_trade(self, children: list[Any]) -> Volume:
        if _one(children, _Side) == "BELOW":
            return Volume(None)
        return Volume(None, shares=_one(children, Decimal))

    def much_more(self, children: list[Any]) -> None:
        """Exceeds, is above, reaches: all the same here."""

    def shares_traded(self, children: list[Any]) -> Volume:
        return Volume(None, shares=children[0])

    def multiple_traded(self, children: list[Any]) -> Volume:
        return Volume(None, multiple=children[0], span=_span(children))

    def multiple(self, children: list[Any]) -> Decimal:
        if _kind(children, "TWICE"):
            return Decimal(2)
        return Decimal(_of(children, "NUM", "MULT", "MULTIPLE"))

    def length(self, children: list[Any]) -> tuple[Span | None, str | None]:
        if (glued := _of(children, "LENGTH_MA")) is not None:
            return glued  # type: ignore[no-any-return]
        if _kind(children, "EMA") or _of(children, "MA") == "ema":
            return _span(children), "ema"
        return _span(children), "sma" if _is_simple(children) else None

    def counted_length(self, children: list[Any]) -> tuple[Span, str | None]:
        simple = "sma" if _is_simple(children) else None
        kind = "ema" if _of(children, "MA") == "ema" else simple
        count: Decimal = _of(children, "NUM")
        # No average takes half a session: 0 is refused with the rule.
        return Span(0 if count % 1 else int(count), "day"), kind

    def averages(self, children: list[Any]) -> Averages:
        (first, kind), (second, other) = [c for c in children if isinstance(c, tuple)]
        up = _kind(children, "CROSS_UP") or _one(children, _Side) == "ABOVE"
        down = _kind(children, "CROSS_DOWN") or _one(children, _Side) == "BELOW"
        direction = "up" if up else "down" if down else "either"
        mixed = {kind, other} == {"sma", "ema"}
        return Averages(first, second, direction, "mixed" if mixed else kind or other or "sma")

    def golden(self, children: list[Any]) -> Averages:
        return Averages(Span(50, "day"), Span(200, "day"), _of(children, "GOLDEN"), "sma")

    def trail(self, children: list[Any]) -> Trail:
        return Trail(_one(children, Distance) or self.distance(children))

    def marker(self, children: list[Any]) -> Other:
        """The price of "a stop of $5" is a distance as well; a limit has none."""
        kind = _kind(children, "STOP", "TARGET", "LIMIT", "TRAIL") or ""
        price = _one(children, Decimal)
        if price is not None and kind != "LIMIT" and _kind(children, "OF"):
            return Other(kind, Distance("MONEY", price))
        return Other(kind, price)

    def at_price(self, children: list[Any]) -> Other:
        return Other("at_price", _one(children, Decimal))

    # --- How long, how often ---

    def following(self, children: list[Any]) -> Other:
        """ "Over the next week" is `ahead`: a change may be meant that takes so long."""
        words = children[0].value.text.lower()
        ahead = words.startswith(("in ", "over ", "within ", "during "))
        return Other("ahead" if ahead else "following", _of(children, "SPAN"))

    def often(self, children: list[Any]) -> Decimal:
        count: Decimal | None = _of(children, "NUM")
        return Decimal(2 if _kind(children, "TWICE") else 1) if count is None else count

    def most(self, children: list[Any]) -> None:
        """At most three times, three times: the same."""

    def times(self, children: list[Any]) -> Other:
        return Other("times", _first(children, Decimal(1)))

    def cooldown(self, children: list[Any]) -> Other:
        return Other("cooldown", (_of(children, "SPAN"), _first(children, Decimal(1))))

    def __default__(self, data: Any, children: list[Any], meta: Any) -> Other:
        tokens = [child for child in children if isinstance(child, Terminal)]
        return Other(str(data), tokens[-1].value.value if tokens else None)
