"""Asks a live feed, within its credits: one process asks, and all share the answer.

The row of the feed's budget decides who asks: whoever has it locked chooses the symbols that are
due, marks them as pending and counts their credits. The network is asked after that transaction.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction

from market.budget import Candidate, Spent, credits_left, distance, most_wanted, next_minute
from market.companies import strangers
from market.errors import ProviderError
from market.incidents import SESSIONS, Said, raise_incidents, settle_incidents
from market.models import FeedAsk, FeedBudget, FeedIncident
from market.providers import Complaint, FeedFailed, Quotes, Sessions, WebProvider
from market.quotes import Sample

QUOTE = FeedAsk.Subjects.QUOTE.value
# After a close its last trades are still being put in order; asked after this, they are final.
SETTLES = timedelta(minutes=20)
LASTING = timedelta(hours=1)  # until a symbol is asked for again that the feed does not have
_FIRST_WAIT = timedelta(seconds=10)  # after a failure, doubled with each further one
_LONGEST_WAIT = timedelta(minutes=5)
_FEED = FeedIncident.Verdicts.FAILED.value

# What the stream keeps fresh is asked for now and then all the same: it does not say whose price it
# is, the volume of the session or the close before.
STREAMED_WITHIN = timedelta(minutes=1)
STREAMED_TOO = timedelta(minutes=15)

_DUE = """
SELECT wanted.symbol, ask.answered_at, quote.price, quote.alert_below, quote.alert_above
  FROM unnest(%(symbols)s::text[]) AS wanted(symbol)
  JOIN market_instrument instrument ON instrument.symbol = wanted.symbol
  LEFT JOIN market_quote quote ON quote.symbol = wanted.symbol
  LEFT JOIN market_feedask ask ON ask.symbol = wanted.symbol AND ask.subject = %(subject)s
  LEFT JOIN market_feedask streamed ON streamed.symbol = wanted.symbol
                                   AND streamed.subject = 'stream'
 WHERE (ask.pending_until IS NULL OR ask.pending_until <= %(now)s)
   AND (ask.not_before IS NULL OR ask.not_before <= %(now)s)
   AND (ask.answered_at IS NULL OR ask.answered_at < %(due)s)
   AND (streamed.answered_at >= %(streamed)s AND ask.answered_at >= %(asked)s) IS NOT TRUE
"""

_PENDING = """
INSERT INTO market_feedask AS ask (symbol, subject, pending_until, sessions)
SELECT symbol, %(subject)s, %(until)s, 0 FROM unnest(%(symbols)s::text[]) AS asked(symbol)
 ORDER BY symbol
    ON CONFLICT (symbol, subject) DO UPDATE SET pending_until = excluded.pending_until
"""

_ANSWERED = """
UPDATE market_feedask
   SET pending_until = NULL,
       answered_at = CASE WHEN symbol = ANY(%(answered)s) THEN %(now)s ELSE answered_at END,
       not_before = CASE WHEN symbol = ANY(%(lasting)s) THEN %(later)s END
 WHERE subject = %(subject)s AND symbol = ANY(%(asked)s)
"""


@dataclass(slots=True)
class Fetched:
    """What a feed said: samples to be accepted, and what was wrong, a line each."""

    samples: list[Sample] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Outcome[A: (Quotes, Sessions)]:
    """The answers to the requests of one claim, and the failure that ended them, if one did."""

    asked: list[str]
    answers: list[A] = field(default_factory=list)
    failure: FeedFailed | None = None
    spent: int = 0

    @property
    def complaints(self) -> list[Complaint]:
        return [complaint for answer in self.answers for complaint in answer.complaints]


def ask_for_quotes(
    feed: WebProvider,
    *,
    symbols: Collection[str],
    now: datetime,
    within: timedelta | None = None,
    take_in: Callable[[list[Sample], datetime], object] = lambda samples, now: None,
) -> Fetched:
    """Asks for the symbols that are due, as far as the credits go; the others keep their age.

    `within`: only those are due that nobody was answered about for so long, and the day's credits
    need not last; None: a tick, which paces itself, and asks once after a close. `take_in` stores
    the samples before others are told that the answer is there.

    Raises ProviderError where there is no answer at all, also while the feed must not be asked.
    Belongs outside any transaction.
    """
    asked = _claim(feed, symbols, now, within)
    outcome: Outcome[Quotes] = Outcome(asked)
    for some in _batches(asked, feed.batch):
        try:
            outcome.answers.append(feed.quotes(some, now))
            outcome.spent += feed.cost(len(some))
        except FeedFailed as failure:
            outcome.failure = failure
            outcome.spent += feed.cost(len(some)) if failure.billed else 0
            break
    doubted = strangers(outcome.answers)
    refused = {complaint.symbol for complaint in doubted}
    samples = [
        sample
        for answer in outcome.answers
        for sample in answer.samples
        if sample.symbol not in refused
    ]
    if samples:
        take_in(samples, now)
    record(feed, QUOTE, outcome, now, doubted)
    if outcome.failure and not outcome.answers:
        raise ProviderError(f"{feed.name}: {outcome.failure.words}")
    errors = [f"{one.symbol}: {one.words}" for one in (*outcome.complaints, *doubted)]
    if outcome.failure:
        errors.append(f"{feed.name}: {outcome.failure.words}")
    return Fetched(samples, errors)


def _claim(
    feed: WebProvider, symbols: Collection[str], now: datetime, within: timedelta | None
) -> list[str]:
    due = _due_since(feed, now) if within is None else now - within
    with transaction.atomic(durable=True):
        budget = open_budget(feed, now)
        with connection.cursor() as cursor:
            cursor.execute(
                _DUE,
                {
                    "symbols": list(symbols),
                    "subject": QUOTE,
                    "now": now,
                    "due": due,
                    "streamed": now - (STREAMED_WITHIN if within is None else within),
                    "asked": now - STREAMED_TOO,
                },
            )
            candidates = [
                Candidate(symbol, answered_at, distance(price, below, above))
                for symbol, answered_at, price, below, above in cursor.fetchall()
            ]
        credits = credits_left(
            feed.plan, spent_of(budget), now, feed.calendar, paced=within is None
        )
        asked = most_wanted(candidates, now, affordable(feed, credits, len(candidates)))
        if asked:
            mark_pending(feed, QUOTE, asked, budget, now)
    return asked


def _due_since(feed: WebProvider, now: datetime) -> datetime:
    """Who was answered about before this is due: all, unless the market has closed meanwhile."""
    if feed.calendar.is_open(now):
        return now
    settled = feed.calendar.last_close(now) + SETTLES
    return settled if settled <= now else settled - SETTLES


def affordable(feed: WebProvider, credits: int, wanted: int) -> int:
    """How many symbols the credits pay for, in requests of whole batches and one of the rest."""
    count = 0
    while count < wanted and credits > 0:
        more = min(feed.batch, wanted - count)
        while more and feed.cost(more) > credits:
            more -= 1
        if not more:
            break
        credits -= feed.cost(more)
        count += more
    return count


def ask_once(feed: WebProvider, *, symbol: str, now: datetime) -> Quotes:
    """Asks about a symbol that need not be an instrument yet, and stores nothing of the answer.

    Raises ProviderError where there is none, or no credit to ask.
    """
    with transaction.atomic(durable=True):
        budget = open_budget(feed, now)
        spent = spent_of(budget)
        if credits_left(feed.plan, spent, now, feed.calendar, paced=False) < feed.cost(1):
            raise ProviderError(f"{feed.name}: no credits are left. Try again in a minute.")
        _keep(budget, spent.at(now).and_also(feed.cost(1)))
        budget.save()
    try:
        return feed.quotes([symbol], now)
    except FeedFailed as failure:
        raise ProviderError(f"{feed.name}: {failure.words}") from None


def open_budget(feed: WebProvider, now: datetime) -> FeedBudget:
    """The feed's budget, locked. Raises ProviderError while the feed must not be asked."""
    FeedBudget.objects.bulk_create([FeedBudget(provider=feed.name)], ignore_conflicts=True)
    budget = FeedBudget.objects.select_for_update().get(provider=feed.name)
    if budget.blocked_until is not None and budget.blocked_until > now:
        raise ProviderError(
            f"{feed.name}: {budget.blocked_because} "
            f"It is asked again at {budget.blocked_until:%Y-%m-%d %H:%M:%S} UTC."
        )
    return budget


def inside_transaction() -> bool:
    """Whether the caller has a transaction open, in which no network may be waited for."""
    try:
        with transaction.atomic(durable=True):
            return False
    except RuntimeError:
        return True


def patience() -> timedelta:
    """How long one request may take at most: a connection tried twice, and an answer."""
    return timedelta(seconds=2 * settings.MARKET_CONNECT_SECONDS + 2 * settings.MARKET_READ_SECONDS)


def mark_pending(
    feed: WebProvider, subject: str, asked: Sequence[str], budget: FeedBudget, now: datetime
) -> None:
    """Counts the credits of these symbols and tells the other processes that they are asked for."""
    requests = list(_batches(asked, feed.batch))
    cost = sum(feed.cost(len(some)) for some in requests)
    _keep(budget, spent_of(budget).at(now).and_also(cost))
    budget.save()
    until = now + patience() * len(requests)
    with connection.cursor() as cursor:
        cursor.execute(
            _PENDING,
            {"subject": subject, "until": until, "symbols": list(asked)},
        )


def record[A: (Quotes, Sessions)](
    feed: WebProvider,
    subject: str,
    outcome: Outcome[A],
    now: datetime,
    doubted: Sequence[Complaint] = (),
) -> None:
    """Puts down how the asking went: credits, who was answered about, what was wrong."""
    if not outcome.asked:
        return
    past = subject != QUOTE
    complaints = [*outcome.complaints, *doubted]
    complained = {complaint.symbol for complaint in complaints}
    good: set[str] = set()
    for answer in outcome.answers:
        good |= (
            answer.bars.keys()
            if isinstance(answer, Sessions)
            else {sample.symbol for sample in answer.samples}
        )
    # A past session stays as bad as it is, and where none can be had the present goes on.
    later = [one.symbol for one in complaints if one.lasting or past]
    if past and outcome.failure:
        later += set(outcome.asked) - good - complained
    source = SESSIONS if past else ""
    with transaction.atomic():
        _count(feed, outcome, now)
        with connection.cursor() as cursor:
            cursor.execute(
                _ANSWERED,
                {
                    "asked": outcome.asked,
                    "answered": list(good | complained),
                    "lasting": later,
                    "later": now + (_LONGEST_WAIT if outcome.failure else LASTING),
                    "subject": subject,
                    "now": now,
                },
            )
        kind = f"{SESSIONS}: {{}}" if past else "{}"
        said = [Said(one.symbol, kind.format(one.kind), one.words) for one in complaints]
        if failure := outcome.failure:
            said.append(Said(None, kind.format(failure.kind), failure.words, _FEED))
        elif outcome.answers:
            settle_incidents(symbols=good - complained, now=now, source=source)
        raise_incidents(said=said, now=now)


def _count[A: (Quotes, Sessions)](feed: WebProvider, outcome: Outcome[A], now: datetime) -> None:
    budget = FeedBudget.objects.select_for_update().get(provider=feed.name)
    counted = sum(feed.cost(len(some)) for some in _batches(outcome.asked, feed.batch))
    spent = spent_of(budget).and_also(outcome.spent - counted)
    for answer in outcome.answers:
        if answer.credits_left is not None:
            spent = spent.as_told(feed.plan, answer.credits_left)
    _keep(budget, spent)
    if outcome.failure:
        budget.failures += 1
        waits = min(_FIRST_WAIT * 2 ** min(budget.failures - 1, 8), _LONGEST_WAIT)
        budget.blocked_until = outcome.failure.until or now + waits
        budget.blocked_because = f"{outcome.failure.words.rstrip('.')}."
    elif outcome.answers:
        budget.failures = 0
        budget.blocked_until, budget.blocked_because = None, ""
    if any(complaint.exhausted for complaint in outcome.complaints):
        budget.blocked_until = next_minute(now)
        budget.blocked_because = "The minute's credits are spent."
    budget.save()


def spent_of(budget: FeedBudget) -> Spent:
    """What the row says, as plain values."""
    return Spent(budget.minute, budget.in_minute, budget.day, budget.on_day)


def _keep(budget: FeedBudget, spent: Spent) -> None:
    budget.minute, budget.in_minute = spent.minute, spent.in_minute
    budget.day, budget.on_day = spent.day, spent.on_day


def _batches(symbols: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(symbols), size):
        yield symbols[start : start + size]
