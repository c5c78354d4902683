"""The sentence of a rule that is being written, with gaps for what is still missing."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from actions.parts import InvalidRule
from actions.registry import parse_effect, parse_trigger
from actions.rules import Effect, Trigger
from actions.sentence import REHEARSAL, limits_in_words
from actions.wizard.forms import takes_symbol
from actions.wizard.outline import Outline, Page
from market.services import calendar

_HOLE = "\ue000"  # no symbol: stands for the one that is missing


class Piece(NamedTuple):
    """Words of the sentence; or the name of what is missing there, if it is a `gap`."""

    words: str
    gap: bool = False


def pieces(outline: Outline) -> Sequence[Piece]:
    """The sentence from its beginning to its full stop."""
    asked = outline.asked(Page.LIMITS)
    begins = [Piece(REHEARSAL)] if asked and asked["rehearsal"] else []
    ends = Piece(f", {_limits(outline)}.")
    return [*begins, *_effect(outline), Piece(" "), *_trigger(outline), ends]


def _effect(outline: Outline) -> Iterator[Piece]:
    kind = outline.effect_type
    if kind is None:
        yield Piece("do what", gap=True)
        return
    effect = _effect_of(outline)
    names = takes_symbol(kind) and (kind.trades or outline.symbol is not None)
    if effect is not None:
        yield from _described(
            effect, outline.symbol if names or not kind.trades else None, kind.trades
        )
        return
    yield Piece(f"{kind.title} ")
    yield Piece("how much" if kind.either else "what", gap=True)
    if names:
        yield Piece(" ")
        yield Piece(outline.symbol) if outline.symbol else Piece("which symbol", gap=True)


def _described(effect: Effect, symbol: str | None, trades: bool) -> Iterator[Piece]:
    hole = _HOLE if trades and takes_symbol(type(effect)) else None
    before, gap, after = effect.describe(symbol or hole).partition(_HOLE)
    yield Piece(before)
    if gap:
        yield Piece("which symbol", gap=True)
        yield Piece(after)


def _trigger(outline: Outline) -> Iterator[Piece]:
    kind = outline.trigger
    if kind is None:
        yield Piece("when", gap=True)
        return
    trigger = _trigger_of(outline)
    if trigger is not None:
        yield Piece(trigger.describe(outline.symbol))
    else:
        yield Piece("when ")
        yield Piece(kind.title[0].lower() + kind.title[1:], gap=True)


def _effect_of(outline: Outline) -> Effect | None:
    asked = outline.asked(Page.TARGET)
    if asked is None:
        return None
    sizes = {name: asked[name] for name in ("quantity", "amount_usd") if asked[name] is not None}
    try:
        return parse_effect(outline.action_type, sizes=sizes, params=asked["action_params"])
    except InvalidRule:
        return None


def _trigger_of(outline: Outline) -> Trigger | None:
    asked = outline.asked(Page.CONDITION)
    try:
        return parse_trigger(outline.trigger_type, asked["trigger_params"]) if asked else None
    except InvalidRule:
        return None


def _limits(outline: Outline) -> str:
    asked = outline.asked(Page.LIMITS)
    if asked is None:
        return "once"
    end = asked["valid_until"]
    if end is not None and not hasattr(end, "hour"):
        try:
            end = calendar().last_close_until(end)
        except OverflowError:
            end = None
    return limits_in_words(
        max_executions=asked["max_executions"],
        cooldown_seconds=asked["cooldown_seconds"],
        valid_until=end,
        zone=outline.asker.zone,
    )
