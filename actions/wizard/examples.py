"""Rules that teach what rules can be: each opens the wizard filled in."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from django.urls import reverse

from accounts.models import User
from actions.drafting import Draft
from actions.wizard.drafts import asker_for
from actions.wizard.outline import Outline, answers_of
from actions.wizard.sentence import pieces
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


def examples_to_open(*, user: User) -> Sequence[tuple[str, str]]:
    """Of each example, the address that opens it in the wizard, and its sentence."""
    asker = asker_for(user=user)
    found = []
    for name, draft in examples().items():
        said = pieces(Outline(answers_of(draft, asker), asker))
        words = "".join(piece.words for piece in said)
        found.append((f"{reverse('action-new')}?example={name}", words))
    return found
