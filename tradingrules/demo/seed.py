"""What the demonstration starts from: a user, a funded portfolio, and rules about to fire."""

import secrets
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

from django.conf import settings
from django.db import transaction

from accounts.models import User
from actions.models import Action
from actions.rebuild import rebuild_watches
from actions.selectors import actions_of
from actions.services import Draft, cancel_action, create_action
from market.bars import SHIPPED_NAMES, read_bars
from market.models import DailyBar
from market.services import import_bars, replay, restart_replay
from portfolios.ledger import Refusal, Side
from portfolios.models import Portfolio
from portfolios.selectors import holdings_of
from portfolios.services import deposit, primary_portfolio, trade

USERNAME = "demo"
BARS = Path(settings.BASE_DIR) / "market" / "data" / "daily_wiki_2000_2013_splitadj.csv"
FIRST_SESSION = date(2008, 9, 10)
SESSION_SECONDS = Decimal(2)

CASH = Decimal(25_000)
SHARES = {"AAPL": Decimal(40), "GOOG": Decimal(30), "IBM": Decimal(50)}
MARK = "Part of the demonstration."

RULES = (
    Draft(
        action_type="SELL",
        symbol="AAPL",
        quantity=Decimal(10),
        trigger_type="price_below",
        trigger_params={"threshold": "135"},
        notes=MARK,
    ),
    Draft(
        action_type="NOTIFY",
        symbol="GOOG",
        action_params={"message": "Time to look at the whole portfolio."},
        trigger_type="price_below",
        trigger_params={"threshold": "400"},
        notes=MARK,
    ),
    Draft(
        action_type="BUY",
        symbol="MSFT",
        amount_usd=Decimal(2_000),
        trigger_type="price_below",
        trigger_params={"threshold": "25"},
        max_executions=3,
        cooldown_seconds=15,
        notes=MARK,
    ),
    Draft(
        action_type="SELL",
        symbol="IBM",
        quantity=Decimal(150),
        trigger_type="price_below",
        trigger_params={"threshold": "110"},
        cooldown_seconds=3600,
        notes=f"{MARK} It asks for more than is held, to show a refusal.",
    ),
    Draft(
        action_type="SELL",
        symbol="GOOG",
        action_params={"fraction": "1"},
        trigger_type="price_below",
        trigger_params={"threshold": "375"},
        notes=MARK,
    ),
    Draft(
        action_type="SELL",
        symbol="IBM",
        action_params={"fraction": "0.5"},
        trigger_type="trailing_stop",
        trigger_params={"percent": "8"},
        notes=MARK,
    ),
    Draft(
        action_type="NOTIFY",
        symbol="AAPL",
        trigger_type="change_pct",
        trigger_params={"change": "10", "direction": "down"},
        notes=MARK,
    ),
    Draft(
        action_type="BUY",
        symbol="AAPL",
        quantity=Decimal(20),
        trigger_type="price_below",
        trigger_params={"threshold": "90"},
        notes=MARK,
    ),
    Draft(
        action_type="NOTIFY",
        symbol="AAPL",
        trigger_type="price_above",
        trigger_params={"threshold": "110", "on": "cross"},
        notes=MARK,
    ),
)


def seed(*, password: str | None, now: datetime) -> tuple[User, str]:
    """Starts the replay and the rules anew, and returns the user with the password that opens it.

    What the user did since the last demonstration stays; only its own rules are replaced.
    """
    if not DailyBar.objects.exists():
        import_bars(bars=read_bars(BARS), names=SHIPPED_NAMES)
    password = password or secrets.token_urlsafe(9)
    with transaction.atomic():
        user = _user(password)
        restart_replay(now=now, first_session=FIRST_SESSION, session_seconds=SESSION_SECONDS)
        _fund(primary_portfolio(user=user), now)
        _replace_rules(user, now)
    # Rules of the user's own slept in bands that the prices of another run had given them.
    rebuild_watches(now=now)
    return user, password


def _user(password: str) -> User:
    user, _ = User.objects.get_or_create(
        username=USERNAME,
        defaults={"email": "demo@localhost", "time_zone": "America/New_York"},
    )
    user.set_password(password)
    user.is_staff = user.is_superuser = True  # so that the admin can be looked at, too
    user.save()
    return user


def _fund(portfolio: Portfolio, now: datetime) -> None:
    """Brings the portfolio to at least the cash and the shares that the rules are about."""
    held = {holding.instrument_id: holding.quantity for holding in holdings_of(portfolio=portfolio)}
    opening = {quote.symbol: quote.price for quote in replay().fetch(sorted(SHARES), now)}
    for symbol, wanted in SHARES.items():
        missing = wanted - held.get(symbol, Decimal(0))
        if missing <= 0:
            continue
        price = opening[symbol]
        _done(
            deposit(portfolio=portfolio, amount=(missing * price).quantize(Decimal("0.01")), at=now)
        )
        _done(
            trade(
                portfolio=portfolio,
                side=Side.BUY,
                symbol=symbol,
                quantity=missing,
                price=price,
                at=now,
            )
        )
    portfolio.refresh_from_db()
    if portfolio.cash < CASH:
        _done(deposit(portfolio=portfolio, amount=CASH - portfolio.cash, at=now))


def _replace_rules(user: User, now: datetime) -> None:
    seeded = actions_of(user=user).filter(
        notes__startswith=MARK, status__in=[Action.Statuses.ACTIVE, Action.Statuses.PAUSED]
    )
    for action in seeded:
        cancel_action(user=user, action_id=action.pk, now=now)
    for draft in RULES:
        create_action(user=user, draft=draft, now=now)


def _done(answer: object) -> None:
    if isinstance(answer, Refusal):
        raise RuntimeError(f"the demonstration could not be set up: {answer.message}")
