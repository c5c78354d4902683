"""A firing in a backtest. Pure."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal


class Fire:
    """A firing that was carried out: when, the price that its trigger watched as it was printed
    (None where it watches none), and the reason in words; given as a function of the instant, it is
    worked out when it is asked for."""

    __slots__ = ("_reason", "at", "price")

    def __init__(
        self, at: datetime, price: Decimal | None, reason: str | Callable[[datetime], str]
    ) -> None:
        self.at, self.price, self._reason = at, price, reason

    @property
    def reason(self) -> str:
        if not isinstance(self._reason, str):
            self._reason = self._reason(self.at)
        return self._reason

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fire) and self._told == other._told

    def __hash__(self) -> int:
        return hash((self.at, self.price))

    def __repr__(self) -> str:
        return f"Fire{self._told}"

    @property
    def _told(self) -> tuple[datetime, Decimal | None, str]:
        return self.at, self.price, self.reason
