"""Recorded sessions and their replay."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.db.models import Max, Min

from market.alerts import lock_alerts
from market.errors import ReplayRefused
from market.models import DailyBar, Instrument, PastQuote, Quote, ReplayRun, SessionRange
from market.providers.replay import PHASES, Replay
from market.quotes import Bar, max_age

# A phase lasts an eighth of a session. Its quote must not grow stale before the next one comes.
SESSION_SECONDS_MIN = Decimal("0.001")
SESSION_SECONDS_MAX = Decimal(PHASES * max_age(0) // timedelta(seconds=1))


@transaction.atomic
def import_bars(*, bars: Mapping[str, Sequence[Bar]], names: Mapping[str, str]) -> int:
    """Replaces all recorded sessions of these symbols. Returns how many there are now.

    Instruments that are missing are added, under the name that `names` has for the symbol; those
    that exist stay as they are. A replay in progress goes on with the bars it began with.
    """
    Instrument.objects.bulk_create(
        [Instrument(symbol=symbol, name=names.get(symbol, "")) for symbol in sorted(bars)],
        ignore_conflicts=True,
    )
    DailyBar.objects.filter(instrument__in=bars.keys()).delete()
    rows = [DailyBar.of(bar) for sessions in bars.values() for bar in sessions]
    DailyBar.objects.bulk_create(rows, batch_size=5000)
    return len(rows)


@transaction.atomic
def restart_replay(*, now: datetime, first_session: date, session_seconds: Decimal) -> ReplayRun:
    """Plays the recorded sessions from `first_session` on, starting now, in every process.

    Forgets the prices of before, which belong to another time; the alert levels stay. Raises
    ReplayRefused when MARKET_PROVIDER is another feed, when there is no such session, or for a
    pace at which quotes would grow stale.
    """
    _check_replay(first_session, session_seconds)
    run = ReplayRun.objects.create(
        started_at=now, first_session=first_session, session_seconds=session_seconds
    )
    lock_alerts(symbols=list(Quote.objects.values_list("instrument_id", flat=True)))
    PastQuote.objects.all().delete()
    SessionRange.objects.all().delete()
    Quote.objects.update(
        price=None,
        as_of=None,
        volume=None,
        previous_close=None,
        received_at=None,
        interpolated=False,
        note="",
        session_opened=None,
        session_low=None,
        session_high=None,
    )
    return run


def _check_replay(first_session: date, session_seconds: Decimal) -> None:
    if Replay.name != settings.MARKET_PROVIDER:
        raise ReplayRefused(
            f"MARKET_PROVIDER is {settings.MARKET_PROVIDER!r}. Set it to {Replay.name!r} to replay."
        )
    if not (
        session_seconds.is_finite()
        and SESSION_SECONDS_MIN <= session_seconds <= SESSION_SECONDS_MAX
    ):
        raise ReplayRefused(
            f"A session cannot take {session_seconds} s. "
            f"Choose {SESSION_SECONDS_MIN} to {SESSION_SECONDS_MAX} seconds."
        )
    span = DailyBar.objects.aggregate(first=Min("session"), last=Max("session"))
    if span["first"] is None:
        raise ReplayRefused("There are no bars. Import some with `manage.py import_bars FILE`.")
    if not span["first"] <= first_session <= span["last"]:
        raise ReplayRefused(
            f"There is no session on {first_session}. "
            f"Choose a day from {span['first']} to {span['last']}."
        )
