"""What people do with backtests: ask for one, look at them, cancel and delete them."""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import DateTimeField, IntegerField, Q, QuerySet
from django.db.models.fields.json import KT
from django.db.models.functions import Cast
from django_q.tasks import async_task

from accounts.models import User
from actions.backtesting.playing import TooLong, play_slice
from actions.backtesting.terms import Prepared, Wish, prepare
from actions.models import Backtest
from actions.sentence import sentence

PLAY = "actions.tasks.play_backtest"
SHORT = 10_000  # bars times settings that are played at once
PATIENCE_SECONDS = 2.0  # with what looked short
LONGEST_SECONDS = 10.0  # of one play, two slices: as long nobody else has that worker
MOST_OPEN = 3  # of one user
KEPT = 50  # of one user; the oldest that have ended are forgotten
MOST_ATTEMPTS = 3
SILENCE = timedelta(minutes=1)  # after which one that waits is queued once more

_LARGE = ("bars", "found", "swept", "terms")

Clock = Callable[[], datetime]


class TooManyBacktests(ValueError):
    """The user has as many that have not ended as there may be."""


class BacktestEnded(ValueError):
    """A backtest of which nothing more can come."""


def owned_backtest(*, user: User, backtest_id: UUID) -> Backtest:
    """The one gate to somebody's backtest. Raises Backtest.DoesNotExist for another's."""
    return Backtest.objects.defer("bars").get(user=user, pk=backtest_id)


def backtests_of(*, user: User) -> QuerySet[Backtest]:
    """The user's, newest first, without what they found."""
    return Backtest.objects.filter(user=user).defer(*_LARGE)


def backtests_in_short(*, user: User) -> QuerySet[Backtest]:
    """The user's, newest first, each with `begins` and `ends`, the `parameter` that it sweeps, and
    how often the rule `fired`, as far as that is known."""
    return backtests_of(user=user).annotate(
        begins=Cast(KT("terms__start"), DateTimeField()),
        ends=Cast(KT("terms__end"), DateTimeField()),
        parameter=KT("terms__parameter"),
        fired=Cast(KT("found__fires_count"), IntegerField()),
    )


def ask_for_backtest(*, user: User, wish: Wish, clock: Clock) -> Backtest:
    """Plays the backtest if it is short, and has the cluster play it otherwise.

    Raises InvalidRule by the path of each field that is wrong, and TooManyBacktests; then nothing
    is stored. Belongs outside any transaction.
    """
    now = clock()
    prepared = prepare(user=user, wish=wish, now=now)
    backtest = _store(user, wish, prepared, now)
    if prepared.cells > SHORT or not _played_at_once(backtest, clock):
        async_task(PLAY, str(backtest.pk))
    return owned_backtest(user=user, backtest_id=backtest.pk)


def _played_at_once(backtest: Backtest, clock: Clock) -> bool:
    try:
        return not play_slice(
            backtest_id=backtest.pk,
            clock=clock,
            slice_seconds=PATIENCE_SECONDS,
            play_seconds=PATIENCE_SECONDS,
        )
    except TooLong as long:
        long.lease.give_back(clock())
        return False


@transaction.atomic
def _store(user: User, wish: Wish, prepared: Prepared, now: datetime) -> Backtest:
    User.objects.select_for_update(no_key=True).get(pk=user.pk)  # two at once are counted as two
    mine = Backtest.objects.filter(user=user)
    if mine.filter(status__in=Backtest.OPEN).count() >= MOST_OPEN:
        raise TooManyBacktests(
            f"You have {MOST_OPEN} backtests that have not ended. Wait for one, or cancel one."
        )
    ended = mine.exclude(status__in=Backtest.OPEN).order_by("-created_at")
    kept = ended.values_list("pk", flat=True)[: KEPT - 1]
    ended.exclude(pk__in=list(kept)).delete()
    return Backtest.objects.create(
        user=user,
        action_id=wish.action_id,
        sentence=sentence(prepared.rule, user.zone),
        terms=prepared.terms.model_dump(mode="json"),
        bars=wish.bars,
        cells=prepared.cells,
        created_at=now,
        updated_at=now,
    )


def cancel_backtest(*, user: User, backtest_id: UUID, now: datetime) -> Backtest:
    """Ends it, also while it is played; what it has found until then stays.

    Raises BacktestEnded, and Backtest.DoesNotExist for another's.
    """
    mine = Backtest.objects.filter(user=user, pk=backtest_id)
    cancelled = mine.filter(status__in=Backtest.OPEN).update(
        status=Backtest.Statuses.CANCELLED,
        leased_until=None,
        bars=None,
        updated_at=now,
        ended_at=now,
    )
    backtest = owned_backtest(user=user, backtest_id=backtest_id)
    if not cancelled and backtest.status != Backtest.Statuses.CANCELLED:
        raise BacktestEnded(f"The backtest is {backtest.get_status_display().lower()} already.")
    return backtest


def delete_backtest(*, user: User, backtest_id: UUID) -> None:
    """Forgets it; whoever plays it stops. Raises Backtest.DoesNotExist for another's."""
    if not Backtest.objects.filter(user=user, pk=backtest_id).delete()[0]:
        raise Backtest.DoesNotExist


# --- In the cluster ---


def go_on_with(*, backtest_id: UUID, clock: Clock, slice_seconds: float) -> bool:
    """Plays a slice of a backtest that waits, and queues the next one. Whether there is one."""
    try:
        more = play_slice(
            backtest_id=backtest_id,
            clock=clock,
            slice_seconds=slice_seconds,
            play_seconds=LONGEST_SECONDS,
        )
    except TooLong as long:
        words = (
            f"One setting alone took more than {LONGEST_SECONDS:.0f} s. Choose a shorter period, "
            "or a pause after each execution."
        )
        long.lease.end(Backtest.Statuses.FAILED, clock(), error=words)
        return False
    if more:
        async_task(PLAY, str(backtest_id))
    return more


def take_up_forsaken(*, now: datetime) -> int:
    """Queues the backtests once more whose worker is gone, or whose turn was lost. Returns how
    many. One that has ended its worker too often has failed."""
    open_ones = Backtest.objects.filter(status__in=Backtest.OPEN)
    forsaken = open_ones.filter(
        Q(leased_until__lt=now) | Q(leased_until=None, updated_at__lt=now - SILENCE)
    )
    failed = forsaken.filter(attempts__gte=MOST_ATTEMPTS)
    failed.update(
        status=Backtest.Statuses.FAILED,
        error=f"Its worker ended {MOST_ATTEMPTS} times while it was played. Try it again later, "
        "with fewer bars or settings.",
        leased_until=None,
        bars=None,
        updated_at=now,
        ended_at=now,
    )
    taken = list(forsaken.filter(attempts__lt=MOST_ATTEMPTS).values_list("pk", flat=True))
    for backtest_id in taken:
        async_task(PLAY, str(backtest_id))
    return len(taken)
