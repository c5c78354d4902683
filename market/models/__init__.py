"""Instruments, their latest quotes, their recorded sessions and what feeds say of them."""

from market.models.bar import DailyBar, ReplayRun
from market.models.feed import FeedAsk, FeedBudget, FeedIncident, FeedStream, Look
from market.models.instrument import Instrument
from market.models.quote import PastQuote, Quote, QuoteGap, SessionRange
from market.models.split import AnnouncedSplit

__all__ = [
    "AnnouncedSplit",
    "DailyBar",
    "FeedAsk",
    "FeedBudget",
    "FeedIncident",
    "FeedStream",
    "Instrument",
    "Look",
    "PastQuote",
    "Quote",
    "QuoteGap",
    "ReplayRun",
    "SessionRange",
]
