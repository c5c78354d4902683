"""What Prometheus scrapes: worked out from the database when it is asked for.

So it does not matter which process answers, and no process need be asked about another.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from hmac import compare_digest
from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port
from django.utils import timezone
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from actions.site_status import SiteStatus, site_status
from actions.tick_record import Totals, totals
from actions.troubles import FINDINGS

_LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})
# What proxies add. A request with any of them did not begin on this machine.
_OF_A_PROXY = (
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Real-IP",
    "Forwarded",
    "Via",
)


class SiteCollector(Collector):
    """The metrics at an instant."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def collect(self) -> Iterator[Metric]:
        status = site_status(now=self._now)
        yield from _counters(totals())
        yield from _of_the_evaluator(status)
        yield from _of_the_market(status)
        yield from _of_what_waits(status)
        yield _labelled(
            "troubles",
            "Whether this is wrong with the site, and has been for longer than a moment.",
            "kind",
            {kind: float(kind in {one.kind for one in status.troubles}) for kind in FINDINGS},
        )


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """For whoever may scrape; for others there is nothing here."""
    if not may_scrape(request):
        return HttpResponse("Not found.\n", status=404, content_type="text/plain")
    registry = CollectorRegistry()
    try:
        registry.register(SiteCollector(timezone.now()))
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return HttpResponse(encode(registry), content_type=content_type)
    except OperationalError:
        words = "The database does not answer.\n"
        return HttpResponse(words, status=503, content_type="text/plain")


def may_scrape(request: HttpRequest) -> bool:
    """Whether it shows METRICS_TOKEN; where none is set, whether it comes from this machine.

    Behind a proxy on this machine every visitor has its address. So the connection must be from
    loopback, the host that was asked for one of loopback's names, and nothing there that a proxy
    adds. What a client forges can only take the right away.
    """
    if token := settings.METRICS_TOKEN:
        shown = request.headers.get("Authorization", "")
        return compare_digest(shown.encode(), f"Bearer {token}".encode())
    if any(name in request.headers for name in _OF_A_PROXY):
        return False
    host, _ = split_domain_port(request.get_host())
    return host in _LOOPBACK_HOSTS and _is_loopback(request.META.get("REMOTE_ADDR", ""))


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _counters(since_ever: Totals) -> Iterator[Metric]:
    for name, words, value in (
        ("ticks", "Ticks that ran.", since_ever.ticks),
        ("rules_woken", "Rules that woke.", since_ever.woken),
        ("rules_fired", "Executions that were recorded.", since_ever.fired),
        ("tick_faults", "Faults that ticks met: of the feed, of rules.", since_ever.faults),
    ):
        yield CounterMetricFamily(f"tradingrules_{name}", words, value)


def _of_the_evaluator(status: SiteStatus) -> Iterator[Metric]:
    evaluator, rules = status.evaluator, status.rules
    yield _gauge("evaluator_active", "Whether ticks come in time.", evaluator.active)
    yield _gauge("tick_interval_seconds", "How far apart ticks are.", evaluator.interval_seconds)
    yield _gauge("tick_lag_seconds", "How late the next tick is.", evaluator.lag_seconds)
    yield _gauge(
        "last_tick_timestamp_seconds", "When the last tick began.", _epoch(evaluator.last_tick_at)
    )
    yield _gauge("last_tick_duration_seconds", "How long it took.", evaluator.last_tick_seconds)
    yield _labelled("rules", "Rules by status, as last counted.", "status", rules.counts)
    yield _gauge("rules_counted_timestamp_seconds", "When they were.", _epoch(rules.counted_at))
    yield _gauge("rules_awake", "Rules that wait for a look, or have one.", rules.awake)


def _of_the_market(status: SiteStatus) -> Iterator[Metric]:
    quotes, feed = status.quotes, status.feed
    yield _gauge("market_open", "Whether a session is in progress.", status.evaluator.market_open)
    yield _gauge("quotes", "Symbols that are followed.", quotes.symbols)
    yield _gauge("quotes_stale", "Those without a price that rules see.", quotes.stale)
    yield _gauge(
        "newest_quote_timestamp_seconds", "Of when the newest price is.", _epoch(quotes.newest_at)
    )
    yield _gauge("feed_incidents", "What is wrong with the feed, at most 50.", len(feed.wrong))
    yield _gauge("feed_blocked", "Whether the feed must not be asked.", bool(feed.blocked_until))
    credits = feed.credits
    left = {"minute": credits.this_minute, "day": credits.today} if credits else {}
    yield _labelled("feed_credits_left", "What the feed may still be asked for.", "window", left)
    if feed.stream:
        yield _gauge("stream_connected", "Whether prices are streamed.", bool(feed.stream.since))


def _of_what_waits(status: SiteStatus) -> Iterator[Metric]:
    outbox, queue = status.outbox, status.queue
    waiting = {
        "undispatched": outbox.undispatched,
        "unsent": outbox.unsent,
        "failing": outbox.failing,
    }
    yield _labelled(
        "outbox_messages", "Messages on their way; failing ones are unsent too.", "state", waiting
    )
    yield _gauge(
        "outbox_oldest_age_seconds",
        "How long the oldest has waited.",
        _age(outbox.oldest_at, status.at),
    )
    jobs = {"waiting": queue.waiting, "at_work": queue.at_work}
    yield _labelled("queue_jobs", "Jobs of the cluster.", "state", jobs)
    yield _gauge(
        "queue_oldest_age_seconds",
        "How long the oldest has waited.",
        _age(queue.oldest_at, status.at),
    )
    yield _gauge(
        "cluster_sessions", "Sessions that clusters have with the database.", queue.cluster_sessions
    )


def _gauge(name: str, words: str, value: float | None) -> Metric:
    """Without a value where there is none: nothing is what Prometheus calls absent."""
    gauge = GaugeMetricFamily(f"tradingrules_{name}", words)
    if value is not None:
        gauge.add_metric([], float(value))
    return gauge


def _labelled(name: str, words: str, label: str, values: Mapping[Any, float | None]) -> Metric:
    gauge = GaugeMetricFamily(f"tradingrules_{name}", words, labels=[label])
    for key, value in values.items():
        if value is not None:
            gauge.add_metric([str(key)], value)
    return gauge


def _epoch(at: datetime | None) -> float | None:
    return at.timestamp() if at else None


def _age(at: datetime | None, now: datetime) -> float:
    return max(0.0, (now - at).total_seconds()) if at else 0.0
