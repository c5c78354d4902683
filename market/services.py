"""The door to everything that writes the market's tables or asks its provider.

Each function is one use case. Instants are handed in. Rows of quotes are always locked in the order
of their symbols, so that two writers wait for each other and never for ever.
"""

from market.alerts import lock_alerts, narrow_alerts, replace_alerts
from market.asking import Fetched
from market.errors import ProviderError, ReplayRefused, UnknownSymbol
from market.feed import (
    calendar,
    completed_sessions,
    fetch_quotes,
    provider,
    quote_max_age,
    replay,
)
from market.listed import admit, learn, search_symbols
from market.looking import being_looked_at, looked_at, quotes_within
from market.quotes_in import accept_quotes, follow
from market.recorded import SESSION_SECONDS_MAX, SESSION_SECONDS_MIN, import_bars, restart_replay

__all__ = [
    "SESSION_SECONDS_MAX",
    "SESSION_SECONDS_MIN",
    "Fetched",
    "ProviderError",
    "ReplayRefused",
    "UnknownSymbol",
    "accept_quotes",
    "admit",
    "being_looked_at",
    "calendar",
    "completed_sessions",
    "fetch_quotes",
    "follow",
    "import_bars",
    "learn",
    "lock_alerts",
    "looked_at",
    "narrow_alerts",
    "provider",
    "quote_max_age",
    "quotes_within",
    "replace_alerts",
    "replay",
    "restart_replay",
    "search_symbols",
]
