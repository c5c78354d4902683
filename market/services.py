"""The door to everything that writes the market's tables or asks its provider.

Each function is one use case. Instants are handed in. Rows of quotes are always locked in the order
of their symbols, so that two writers wait for each other and never for ever.
"""

from market.alerts import lock_alerts, narrow_alerts, replace_alerts
from market.asking import Fetched
from market.errors import ProviderError, ReplayRefused, SplitRefused, UnknownSymbol
from market.feed import (
    calendar,
    completed_sessions,
    fetch_quotes,
    held_sessions,
    held_span,
    one_feed,
    provider,
    quote_max_age,
    replay,
)
from market.incidents import ask_if_doubts_are_untold, believe_move, take_doubted
from market.listed import admit, learn, search_symbols, unlisted
from market.looking import ask_looked_at, look_soon, looked_at, quotes_within
from market.quotes_in import accept_quotes, follow
from market.recorded import SESSION_SECONDS_MAX, SESSION_SECONDS_MIN, import_bars, restart_replay
from market.split_news import ask_for_splits
from market.splits import (
    announce_split,
    ask_if_splits_are_due,
    due_splits,
    is_in_new_shares,
    keep_terms,
    lock_terms,
    rescale_market,
    takes_effect,
)

__all__ = [
    "SESSION_SECONDS_MAX",
    "SESSION_SECONDS_MIN",
    "Fetched",
    "ProviderError",
    "ReplayRefused",
    "SplitRefused",
    "UnknownSymbol",
    "accept_quotes",
    "admit",
    "announce_split",
    "ask_for_splits",
    "ask_if_doubts_are_untold",
    "ask_if_splits_are_due",
    "ask_looked_at",
    "believe_move",
    "calendar",
    "completed_sessions",
    "due_splits",
    "fetch_quotes",
    "follow",
    "held_sessions",
    "held_span",
    "import_bars",
    "is_in_new_shares",
    "keep_terms",
    "learn",
    "lock_alerts",
    "lock_terms",
    "look_soon",
    "looked_at",
    "narrow_alerts",
    "one_feed",
    "provider",
    "quote_max_age",
    "quotes_within",
    "replace_alerts",
    "replay",
    "rescale_market",
    "restart_replay",
    "search_symbols",
    "take_doubted",
    "takes_effect",
    "unlisted",
]
