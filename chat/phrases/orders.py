"""The price of an order, a stop, a target or a limit, as the trigger that waits for it. Pure."""

from decimal import Decimal

from chat.phrases.conditions import Setting, Trigger, price_level, trigger_of
from chat.phrases.goods import Subject
from chat.phrases.parts import Distance, Other, Reach
from chat.phrases.understood import Question

_NAMES = {"STOP": "a stop", "TARGET": "take profit"}


def by_order(part: Other, subject: Subject, setting: Setting) -> Trigger:
    """A limit buys at or below its price and sells at or above it; a stop the other way round.

    Raises Question.
    """
    below = (subject.side == "BUY") != (part.kind == "STOP")
    last = setting.price
    price = part.value
    if isinstance(price, Distance):
        price = _of_so_much(part, subject, last, below)
    if subject.side == "NOTIFY":
        return trigger_of(Reach(price), setting)
    if part.kind == "at_price" and last is not None and (last < price) == below:
        raise Question(
            f"{subject.symbol} is at {_usd(last)} now. Shall it {subject.side.lower()} at or "
            f"above {_usd(price)}, or at or below {_usd(price)}?"
        )
    return price_level("BELOW" if below else "ABOVE", price)


def _of_so_much(part: Other, subject: Subject, last: Decimal | None, below: bool) -> Decimal:
    """ "A stop loss of $140" is a price where that is nearer to the last one than to nothing; "a
    stop loss of $5" may be one, or so far below the last one."""
    value: Decimal = part.value.value
    if value <= 0 or (last is not None and 2 * value >= last):
        return value
    name, amount = _NAMES[part.kind], _usd(value)
    asked = f"Is {amount} the price, or how far {'below' if below else 'above'} the price of now?"
    if last is None:
        asked += f" Say “{name} at” and the price"
    else:
        so_far = _usd(last - value if below else last + value)
        asked += f" {subject.watched or subject.symbol} is at {_usd(last)}."
        asked += f" Say “{name} at {so_far}” or “{name} at {amount}”"
    if part.kind == "STOP" and subject.side == "SELL":
        asked += f", or “a trailing stop of {amount}” if it shall follow the price up"
    raise Question(f"{asked}.")


def _usd(price: Decimal) -> str:
    return f"${price.normalize():,f}"
