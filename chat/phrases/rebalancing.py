"""The weights of a rebalance, and how far they may drift. Pure."""

from collections.abc import Sequence
from decimal import Decimal

from chat.phrases.goods import which
from chat.phrases.names import Named, Names
from chat.phrases.parts import Goods, Other, Part, When
from chat.phrases.understood import Question

ALL = Decimal(100)
_CASH = "cash"


def rebalance(found: Sequence[Part], names: Names) -> tuple[dict[str, Decimal], Decimal | None]:
    """The targets, and the tolerance in percentage points where one is named."""
    drifts = [part.value for part in found if isinstance(part, Other) and part.kind == "drift"]
    tolerances = {drift.value for drift in drifts if drift is not None}
    percents, things = _in_order(found)
    if not tolerances and drifts and len(percents) == len(things) + 1:
        tolerances.add(percents.pop())
    if len(tolerances) > 1:
        raise Question("How far may a weight drift? It says more than one number.")
    if drifts and not tolerances:
        raise Question("How far may a weight drift? Such as “when it drifts 5 points”.")
    return _targets(percents, things, names), next(iter(tolerances), None)


def _in_order(found: Sequence[Part]) -> tuple[list[Decimal], list[Named | str]]:
    percents: list[Decimal] = []
    things: list[Named | str] = []
    for part in found:
        if isinstance(part, Other) and part.kind == "ratio":
            percents += [Decimal(number) for number in part.value.split("/")]
        elif isinstance(part, Other) and part.kind == "percent":
            percents.append(part.value.value)
        elif isinstance(part, Other) and part.kind == "cash":
            things.append(_CASH)
        elif isinstance(part, Goods):
            _add_goods(part, percents, things)
        elif isinstance(part, When) and part.symbol:
            raise Question("Weights drift, not one symbol. When shall it rebalance?")
    return percents, things


def _add_goods(goods: Goods, percents: list[Decimal], things: list[Named | str]) -> None:
    if goods.size is not None and goods.size.kind != "fraction":
        raise Question(
            "A rebalance takes weights, such as 60 %. Which weight shall each symbol have?"
        )
    if goods.size is not None:
        percents.append(goods.size.value * ALL)
    if goods.symbol:
        things.append(goods.symbol)


def _targets(
    percents: Sequence[Decimal], things: Sequence[Named | str], names: Names
) -> dict[str, Decimal]:
    if not things or len(percents) != len(things):
        raise Question(
            "Which weight shall each symbol have? Such as “keep 60 % SPY and 40 % TLT” or "
            "“keep 60/40 SPY/TLT”."
        )
    targets: dict[str, Decimal] = {}
    for percent, thing in zip(percents, things, strict=True):
        symbol = _CASH if isinstance(thing, str) else _one(thing, names)
        if symbol in targets:
            raise Question(f"{symbol} is named twice. Which weight shall it have?")
        targets[symbol] = percent / ALL
    if sum(targets.values()) > 1:
        total = (sum(targets.values()) * ALL).normalize()
        raise Question(
            f"The weights add up to {total:f} %, more than all there is. Which are right?"
        )
    targets.pop(_CASH, None)
    return targets


def _one(named: Named, names: Names) -> str:
    if len(named.symbols) > 1:
        raise Question(which(named.symbols, names))
    return named.symbols[0]
