"""One tick: look at the market, wake the rules whose band broke, judge them, fire what is true."""

import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from time import perf_counter

from django.conf import settings

from actions import watches
from actions.beginning import ask_valid_now, begin_rules
from actions.booking import Firing
from actions.execute import commit_firings
from actions.judge import Finding, begin, judge
from actions.lease import Leased, count_awake, lease_actions_for_evaluation
from actions.pace import tick_interval
from actions.parts import InvalidRule
from actions.rules import Rule
from actions.settle import Look, after_fault, ask_out_of_time, expire_paused, settle
from actions.sight import Sight
from actions.splits import apply_due_splits, tell_of_doubts
from actions.tick_record import record_tick
from market.bulk import sent_ahead, transaction_sent_ahead, wait_for_no_disk
from market.freshness import mark_freshness
from market.history import record_history
from market.quotes import Sample
from market.services import (
    Fetched,
    ProviderError,
    accept_quotes,
    ask_if_doubts_are_untold,
    ask_if_splits_are_due,
    ask_looked_at,
    calendar,
    fetch_quotes,
    quote_max_age,
)
from portfolios.services import take_changed, tell_again

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Report:
    """What a tick did: symbols quoted, rules woken, executions recorded, and what went wrong."""

    symbols: int = 0
    woken: int = 0
    fired: int = 0
    doubted: int = 0  # symbols whose price may be that of a split, as of this tick
    errors: list[str] = field(default_factory=list)


def run_tick(*, now: datetime, call_for_help: Callable[[int], object] = lambda n: None) -> Report:
    """Looks at the market once, at `now`, and at every rule that it wakes.

    When more wake than one lease takes, `call_for_help` is told how many further batches there
    are: whoever comes leases its share. Nobody need come.

    One rule's fault, or a feed's, never stops the rest: it is in the report, and on the rule.
    Raises OperationalError or InterfaceError when the database is gone.
    """
    started = perf_counter()
    report = Report()
    symbols = open_tick(now=now, report=report)
    report.woken = take_in(_quotes(symbols, now, report), now)
    if report.woken or count_awake(now=now):
        _evaluate(report, now, call_for_help)
    is_open = calendar().is_open(now)
    with transaction_sent_ahead():
        if is_open:  # nobody waits for a quote while there can be none
            mark_freshness(now=now, max_age=quote_max_age())
        are_doubts_untold = ask_if_doubts_are_untold()
        _record(report, now, started, is_open)
    if are_doubts_untold():
        report.doubted = tell_of_doubts(now=now)
    return report


def run_short_tick(
    *, now: datetime, call_for_help: Callable[[int], object] = lambda n: None
) -> Report:
    """A tick that asks the feed for nothing: for prices that came by themselves.

    Whoever took them in has woken the rules.
    """
    started = perf_counter()
    report = Report(woken=count_awake(now=now))
    if report.woken:
        _evaluate(report, now, call_for_help)
    with transaction_sent_ahead():
        _record(report, now, started, calendar().is_open(now))
    return report


def open_tick(*, now: datetime, report: Report) -> list[str]:
    """Does what is due before there are prices; returns the symbols to ask for, in order."""
    with sent_ahead():  # in nearly every tick nothing is due, and this is all that is asked
        out_of_time = ask_out_of_time(now=now)
        are_splits_due = ask_if_splits_are_due(now=now)
        valid_now = ask_valid_now(now=now)
        symbols = _ask_followed(now)
    if ids := out_of_time():
        expire_paused(ids=ids, now=now)
    if are_splits_due():
        report.errors += apply_due_splits(now=now)  # before there is a quote in new shares
    if ids := valid_now():
        begin_rules(ids=ids, now=now)
    return symbols()


def _evaluate(report: Report, now: datetime, call_for_help: Callable[[int], object]) -> None:
    if report.woken > settings.LEASE_BATCH:
        call_for_help(ceil(report.woken / settings.LEASE_BATCH) - 1)
    look_at_the_woken(now=now, report=report)


def _record(report: Report, now: datetime, started: float, is_open: bool) -> None:
    wait_for_no_disk()
    record_tick(
        started_at=now,
        duration=timedelta(seconds=perf_counter() - started),
        next_in=tick_interval(is_open=is_open),
        symbols=report.symbols,
        woken=report.woken,
        fired=report.fired,
        errors=report.errors,
    )
    logger.log(
        logging.INFO if report.fired or report.errors else logging.DEBUG,
        "a tick over %d symbols: %d woken, %d fired, %d faults",
        *(report.symbols, report.woken, report.fired, len(report.errors)),
        extra={
            "woken": report.woken,
            "fired": report.fired,
            "milliseconds": round(1000 * (perf_counter() - started)),
        },
    )


def look_at_the_woken(*, now: datetime, report: Report) -> None:
    """Leases woken rules, batch after batch, until none is left that nobody holds."""
    while leased := lease_actions_for_evaluation(
        now=now, limit=settings.LEASE_BATCH, lease_seconds=settings.LEASE_SECONDS
    ):
        with collector_paused():
            _look_at(leased, now, report)


def followed(*, now: datetime) -> list[str]:
    """The symbols that rules wait for, that somebody holds or looks at, in order."""
    with sent_ahead():
        symbols = _ask_followed(now)
    return symbols()


def _ask_followed(now: datetime) -> Callable[[], list[str]]:
    awaited = watches.ask_watchlist()
    looked_at = ask_looked_at(now=now)

    def symbols() -> list[str]:
        found = awaited()
        if others := looked_at():
            found = [*found, *set(others).difference(found)]
        return sorted(found)

    return symbols


@contextmanager
def collector_paused() -> Iterator[None]:
    """Keeps Python's cyclic garbage collector from walking, again and again, through the objects of
    a batch, which all live until its commit: an eighth of the time that a storm takes in Python."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _quotes(symbols: list[str], now: datetime, report: Report) -> list[Sample]:
    try:
        fetched = fetch_quotes(symbols=symbols, now=now) if symbols else Fetched()
    except ProviderError as error:
        report.errors.append(f"No quotes: {error}")
        return []
    report.symbols = len(fetched.samples)
    report.errors.extend(fetched.errors)
    return fetched.samples


def take_in(samples: list[Sample], now: datetime) -> int:
    """Stores these quotes and wakes the rules that they concern. Returns how many."""
    # Together or not at all: a crossing that is stored has woken its rules. Watches are written
    # before quotes, as where a rule is fired: neither then waits for the other for ever.
    with transaction_sent_ahead():
        tell_again(portfolio_ids=watches.stir(portfolio_ids=take_changed(), now=now))
        broken = accept_quotes(samples=samples, now=now, max_age=quote_max_age())
        record_history(now=now)
        woken = watches.wake(symbols=broken, now=now)
        if not woken:  # a crash of the server takes back prices that changed nothing
            wait_for_no_disk()
        return woken


def _look_at(batch: list[Leased], now: datetime, report: Report) -> None:
    rules, asleep = _read(batch, now, report)
    sight = Sight(rules, now=now, max_age=quote_max_age())
    if sight.error:
        report.errors.append(sight.error)
    firings = []
    for leased, rule in rules:
        try:
            view = sight.view(leased, rule)
            rule = begin(rule, view)
            verdict = judge(rule, view)
        except Exception as error:  # one bad rule never stops another
            asleep.append(_fault(leased, error, now, report))
            continue
        if verdict.finding is Finding.FIRED:
            firings.append(Firing(leased, rule, verdict, view))
        else:
            asleep.append(Look(leased, verdict, rule.symbols))
    settle(looks=asleep + _fire(firings, now, report), now=now)
    _widen({symbol for leased in batch for symbol in leased.quotes})


def _widen(symbols: set[str]) -> None:
    # Nobody waits for the disk: a level that a crash of the server takes back is too narrow.
    with transaction_sent_ahead():
        wait_for_no_disk()
        watches.widen_alerts(symbols=symbols)


def _read(
    batch: list[Leased], now: datetime, report: Report
) -> tuple[list[tuple[Leased, Rule]], list[Look]]:
    """The batch's rules. One whose stored parameters are none is put off, and in the report."""
    rules = []
    broken = []
    for leased in batch:
        try:
            rules.append((leased, leased.as_rule()))
        except InvalidRule as invalid:
            report.errors.append(f"Rule {leased.id}: {invalid}")
            broken.append(after_fault(leased, invalid, now))
    return rules, broken


def _fire(firings: list[Firing], now: datetime, report: Report) -> list[Look]:
    """Fires the rules; returns the looks that are to be settled, since nothing was done."""
    fired = commit_firings(firings=firings, lease=timedelta(seconds=settings.LEASE_SECONDS))
    report.fired += fired.executions
    return fired.looks + [_fault(leased, error, now, report) for leased, error in fired.faults]


def _fault(leased: Leased, error: Exception, now: datetime, report: Report) -> Look:
    about = {"action_id": leased.id, "user_id": leased.user_id}
    logger.error("rule %s could not be looked at", leased.id, exc_info=error, extra=about)
    report.errors.append(f"Rule {leased.id}: {type(error).__name__}")
    return after_fault(leased, error, now)
