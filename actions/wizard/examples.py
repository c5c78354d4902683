"""Rules that teach what rules can be: each opens the wizard filled in."""

from collections.abc import Mapping
from decimal import Decimal

from actions.drafting import Draft
from market.selectors import known_symbols

_PREFERRED = ("AAPL", "MSFT", "SPY")


def examples() -> Mapping[str, Draft]:
    """Three rules by name, on symbols that there are."""
    known = known_symbols()
    symbols = [symbol for symbol in _PREFERRED if symbol in known] or known[:1] or ["AAPL"]
    first, last = symbols[0], symbols[-1]
    return {
        "stop": Draft(
            action_type="SELL",
            symbol=first,
            action_params={"fraction": "1"},
            trigger_type="trailing_stop",
            trigger_params={"percent": "5"},
        ),
        "dip": Draft(
            action_type="BUY",
            symbol=last,
            amount_usd=Decimal(500),
            trigger_type="from_high",
            trigger_params={"percent": "10", "lookback": 20},
            max_executions=3,
            cooldown_seconds=7 * 86_400,
        ),
        "news": Draft(
            action_type="NOTIFY",
            symbol=first,
            trigger_type="change_pct",
            trigger_params={"change": "5", "direction": "down"},
            max_executions=None,
            cooldown_seconds=86_400,
        ),
    }
