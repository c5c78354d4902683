"""The exchange's sessions as bars tell them: a close's own instant still belongs to its session."""

from datetime import date, datetime

from actions.backtest.series import MICROSECOND
from market.hours import Exchange


class ClosesIncluded(Exchange):
    """The exchange, whose sessions include the instant of their close.

    The price of a bar that ends with the session is the session's last, and was traded in it; to
    an engine that looks every few seconds it is there a moment before the close.
    """

    def session_at(self, at: datetime) -> date | None:
        return super().session_at(at) or super().session_at(at - MICROSECOND)
