"""The watchdog's round: is the cluster alive, does it work, and if not, start it anew."""

import logging
from collections.abc import Callable
from datetime import datetime
from time import monotonic

from django.db import Error, connection
from django_q.conf import Conf
from django_q.tasks import async_task

from actions.evaluator import end_evaluators_session, interval
from actions.tasks import EVALUATE
from tradingrules.watchdog.group import Group
from tradingrules.watchdog.signs import Signs, read_signs
from tradingrules.watchdog.vigil import Late, Vigil

logger = logging.getLogger(__name__)

SHORT_LIFE_SECONDS = 60
LONGEST_PAUSE_SECONDS = 60


def pause_before_start(deaths: int) -> float:
    """Seconds to wait after so many short lives in a row: 0, 2, 4, 8, ... 60."""
    return 0 if deaths == 0 else min(2.0**deaths, LONGEST_PAUSE_SECONDS)


class Watchdog:
    """Keeps the cluster in `group` running. Somebody must call `look` every second or two."""

    def __init__(self, group: Group, *, clock: Callable[[], datetime]) -> None:
        self._group = group
        self._clock = clock
        self._vigil: Vigil | None = None  # none while no cluster is watched
        self._started_at: float | None = None
        self._start_at = 0.0
        self._deaths = 0
        self._outage = False

    def look(self) -> None:
        """Looks once, and does what is needed. Nothing is done while the database is gone: nobody
        can tick then, and a new cluster could not either."""
        try:
            self._look(read_signs(), interval(self._clock()))
        except Error as error:
            connection.close()
            self._vigil = None
            if not self._outage:
                logger.warning("The database cannot be asked; waiting for it. %s", _line(error))
                self._outage = True

    def _look(self, signs: Signs, tick_seconds: float) -> None:
        if self._outage:
            logger.info("The database answers again.")
            self._outage = False
        if not self._group.is_alive():
            self._start_when_due(signs, tick_seconds)
            return
        if self._vigil is None:  # there was an outage, in which the evaluator's job failed
            self._vigil = _begin(signs, tick_seconds)
        self._vigil.observe(signs, at=monotonic(), interval=tick_seconds)
        if late := self._vigil.late(monotonic()):
            self._restart(late, signs, tick_seconds)

    def _start_when_due(self, signs: Signs, tick_seconds: float) -> None:
        if self._started_at is not None:
            lived = monotonic() - self._started_at
            self._deaths = self._deaths + 1 if lived < SHORT_LIFE_SECONDS else 0
            pause = pause_before_start(self._deaths)
            logger.warning(
                "The cluster ended by itself after %.0f s; starting it anew in %.0f s.",
                lived,
                pause,
            )
            self._end()
            self._start_at = monotonic() + pause
        if monotonic() >= self._start_at:
            self._start(signs, tick_seconds)

    def _restart(self, late: Late, signs: Signs, tick_seconds: float) -> None:
        logger.warning("No %s for %.0f s; restarting the cluster.", late.what, late.seconds)
        self._end()
        if late.evaluator:
            # It may be another machine's that vanished from the network: nobody else could tick.
            end_evaluators_session()
        self._start(signs, tick_seconds)

    def _start(self, signs: Signs, tick_seconds: float) -> None:
        self._group.start()
        self._started_at = monotonic()
        self._vigil = _begin(signs, tick_seconds)
        logger.info("The cluster has been started.")

    def _end(self) -> None:
        self._group.end()
        self._started_at = None


def _begin(signs: Signs, tick_seconds: float) -> Vigil:
    # The cluster looks at its schedules after half a minute; this one is for now.
    async_task(EVALUATE)
    return Vigil(signs, at=monotonic(), interval=tick_seconds, longest_job=Conf.TIMEOUT)


def _line(error: Error) -> str:
    return " ".join(str(error).split())
