"""How often the evaluator ticks."""

from datetime import timedelta

from django.conf import settings


def tick_interval(*, is_open: bool) -> timedelta:
    """How long after a tick the next one is due: shorter while the market is open."""
    return timedelta(
        seconds=settings.TICK_SECONDS_OPEN if is_open else settings.TICK_SECONDS_CLOSED
    )
