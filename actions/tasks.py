"""The jobs of the cluster. Each may run twice, or be killed anywhere, without harm."""

import time

from django.conf import settings
from django.utils import timezone
from django_q.tasks import async_task

from actions.engine import Report
from actions.evaluator import evaluator_lock, tick_for
from actions.notify.deliver import deliver_due

EVALUATE = "actions.tasks.evaluate_actions"
DELIVER = "actions.tasks.deliver_notifications"


def evaluate_actions() -> str:
    """One shift: ticks for a few minutes, then hands over to a successor.

    Returns at once when another evaluator is at work. The schedule that calls this every minute is
    the net under the chain of successors.
    """
    with evaluator_lock() as held:
        if not held:
            return "another evaluator is at work"
        ticks = tick_for(
            seconds=settings.EVALUATOR_SHIFT_SECONDS,
            clock=timezone.now,
            sleep=time.sleep,
            after_tick=call_for_delivery,
        )
    async_task(EVALUATE)
    return f"{ticks} ticks"


def deliver_notifications() -> str:
    """Sends the e-mails that are due."""
    return f"{deliver_due(now=timezone.now())} sent"


def call_for_delivery(report: Report) -> None:
    """Has what a tick gave cause for sent at once, not at the next minute."""
    if report.fired:
        async_task(DELIVER)
