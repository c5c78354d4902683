"""The jobs of the cluster. Each may run twice, or be killed anywhere, without harm."""

from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.utils import timezone
from django_q.tasks import async_task

from actions.alarm import listening
from actions.backtesting.runs import go_on_with, take_up_forsaken
from actions.engine import Report, look_at_the_woken
from actions.evaluator import evaluator_lock, tick_for
from actions.notify.deliver import deliver_due, prune_deliveries
from actions.notify.dispatch import dispatch
from actions.notify.expiring import announce_expiries
from actions.proof import LONGEST_BACK
from actions.splits import record_announced
from actions.tick_record import roll_up_ticks
from actions.wizard.drafts import prune_drafts
from market.freshness import prune_gaps
from market.history import prune_history
from market.incidents import prune_incidents
from market.ranges import prune_ranges

EVALUATE = "actions.tasks.evaluate_actions"
HELP = "actions.tasks.help_evaluate"
DELIVER = "actions.tasks.deliver_notifications"
SPLITS = "actions.tasks.look_for_splits"
KEEP_RANGES = timedelta(days=400)
KEEP_DELIVERIES = timedelta(days=30)
KEEP_INCIDENTS = timedelta(days=90)
KEEP_DRAFTS = timedelta(days=30)
BACKTEST_SLICE_SECONDS = 5.0  # between which others have their turn
KEEP_GAPS = LONGEST_BACK
MOST_HELPERS = 8  # jobs for one tick; each goes on as long as there is something to lease


def evaluate_actions() -> str:
    """One shift: ticks for a few minutes, then hands over to a successor.

    Returns at once when another evaluator is at work. The schedule that calls this every minute is
    the net under the chain of successors.
    """
    with evaluator_lock() as held:
        if not held:
            return "another evaluator is at work"
        with listening() as alarm:
            ticks = tick_for(
                seconds=settings.EVALUATOR_SHIFT_SECONDS,
                clock=timezone.now,
                sleep=alarm.wait,
                call_for_help=call_for_help,
                after_tick=call_for_delivery,
            )
    async_task(EVALUATE)
    return f"{ticks} ticks"


def help_evaluate() -> str:
    """Leases and looks at woken rules until none is left; any number may do so at once."""
    report = Report()
    look_at_the_woken(now=timezone.now(), report=report)
    if report.fired:
        async_task(DELIVER)
    return f"{report.fired} fired"


def call_for_help(batches: int) -> None:
    """Has the cluster, on however many machines it runs, take part in a tick that woke many."""
    for _ in range(min(batches, MOST_HELPERS)):
        async_task(HELP)


def deliver_notifications() -> str:
    """Decides how what is new is to be sent, and sends what is due."""
    dispatch(now=timezone.now())
    return f"{deliver_due(now=timezone.now())} sent"


def announce() -> str:
    """Tells of the rules that expire within a day; they are sent with the next delivery."""
    return f"{announce_expiries(now=timezone.now())} expiries announced"


def look_for_splits() -> str:
    """Asks the feed which stocks split, and records those that concern anybody."""
    return f"{record_announced(now=timezone.now())} splits recorded"


def play_backtest(backtest_id: str) -> str:
    """Plays a slice of a backtest that somebody asked for."""
    more = go_on_with(
        backtest_id=UUID(backtest_id), clock=timezone.now, slice_seconds=BACKTEST_SLICE_SECONDS
    )
    return "goes on" if more else "has ended"


def take_up_backtests() -> str:
    """Queues the backtests once more that nobody plays any longer."""
    return f"{take_up_forsaken(now=timezone.now())} taken up"


def prune() -> str:
    """Forgets prices older than any rule looks back, how old messages were sent, drafts that nobody
    has gone on with, and old ticks, of which their hours and the gaps between them are kept."""
    now = timezone.now()
    prices = prune_history(now=now) + prune_ranges(now=now, keep=KEEP_RANGES)
    deliveries = prune_deliveries(now=now, keep=KEEP_DELIVERIES)
    prune_incidents(now=now, keep=KEEP_INCIDENTS)
    drafts = prune_drafts(now=now, keep=KEEP_DRAFTS)
    prune_gaps(now=now, keep=KEEP_GAPS)
    ticks = roll_up_ticks(now=now)
    return f"{prices} prices, {deliveries} deliveries, {drafts} drafts, {ticks} ticks forgotten"


def call_for_delivery(report: Report) -> None:
    """Has what a tick gave cause for sent at once, not at the next minute."""
    if report.fired or report.doubted:
        async_task(DELIVER)
    if report.doubted:
        async_task(SPLITS)  # the feed may know of it by now
