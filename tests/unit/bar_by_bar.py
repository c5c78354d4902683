"""An engine that looks at a rule with every bar, and bars for it: what a backtest must equal."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from copy import replace
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from operator import attrgetter
from random import Random

from hypothesis import strategies as st

from actions.judge import Finding, hold_back, judge, move_on
from actions.rules import Desk, Outcome, Rule, Status, View, Wake
from actions.trading import HeldBack, carry_out
from market.hours import TradingCalendar
from market.quotes import Bar, Sample
from portfolios.ledger import Entry, Refusal, Snapshot
from portfolios.limits import Day, Limits, day_of
from tests.unit.made_up_markets import RATIOS, START, on_grid

MINUTE = timedelta(minutes=1)
FIRST_DAY = date(2026, 11, 16)  # a Monday; the session of the 27th is a half-day


def _sleeps(wake: Wake, view: View) -> bool:
    """Whether neither its instant has come nor a price has left its band."""
    prices = {symbol: view.quotes[symbol].price for symbol in wake.bands}
    inside = all(
        (band.below is None or prices[symbol] > band.below)
        and (band.above is None or prices[symbol] < band.above)
        for symbol, band in wake.bands.items()
    )
    return inside and (wake.at is None or view.now < wake.at)


@dataclass
class BarByBar:
    """Plays bars one by one to a rule, as the engine does, trades included."""

    rule: Rule
    bars: Mapping[str, Sequence[Bar]]
    calendar: TradingCalendar
    portfolio: Snapshot
    limits: Limits = field(default_factory=Limits)
    max_age: timedelta = 3 * MINUTE
    held: Wake | None = None  # what it sleeps until, while its portfolio holds it back
    fires: list[tuple[datetime, str]] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    blocked: set[tuple[datetime, str]] = field(default_factory=set)

    def play(self, start: datetime) -> None:
        self.day = Day(day_of(start))
        begins = max(start, self.rule.valid_from)
        view = self.view(begins)
        last_close = self.calendar.last_close(begins)
        told = {symbol: q for symbol, q in view.quotes.items() if q.as_of >= last_close}
        state = self.rule.trigger.activate(self.rule, replace(view, quotes=told))
        self.rule = self.rule.with_state(state)
        instants = sorted({bar.at for of in self.bars.values() for bar in of if bar.at > start})
        for now in instants:
            if self.rule.status is Status.ACTIVE:
                self.look(now)

    def look(self, now: datetime) -> None:
        view = self.view(now)
        verdict = judge(self.rule, view)
        if verdict.finding is Finding.FIRED and self.held and _sleeps(self.held, view):
            return  # until the next day, or what its trigger follows moves: whatever it would trade
        if verdict.finding is Finding.FIRED:
            desk = Desk(now, view.quotes, self.portfolio)
            try:
                succeeded = self.execute(desk)
            except HeldBack as back:
                held = hold_back(self.rule, view, back.refused)
                self.blocked.add((now, str(held.gate)))
                self.held = held.wake
                return
            self.held = None
            if succeeded:
                self.fires.append((now, verdict.reason))
            self.rule, _ = move_on(self.rule, verdict, view, succeeded=succeeded)
            return
        if verdict.finding is Finding.BLOCKED and verdict.gate and self.is_true(view):
            self.blocked.add((now, verdict.gate))
        ended = verdict.finding is Finding.EXPIRED
        status = Status.COMPLETED if ended else self.rule.status
        self.rule = replace(self.rule, state=verdict.state, status=status)

    def is_true(self, view: View) -> bool:
        if view.blind_spots(self.rule.trigger.watched(self.rule)):
            return False
        return self.rule.trigger.evaluate(self.rule, view).outcome is Outcome.FIRED

    def execute(self, desk: Desk) -> bool:
        if not self.rule.effect.trades:
            return True
        plan = self.rule.effect.plan(self.rule, desk)
        if isinstance(plan, Refusal):
            self.blocked.add((desk.now, plan.code))
            return False
        today = self.day if self.day.date == day_of(desk.now) else Day(day_of(desk.now))
        traded = carry_out(plan, self.portfolio, limits=self.limits, day=today, now=desk.now)
        if isinstance(traded, Refusal):
            self.blocked.add((desk.now, traded.code))
            return False
        entries, self.portfolio = traded
        self.entries += entries
        self.day = today.after(entries) if entries else today
        return True

    def view(self, now: datetime) -> View:
        needs = self.rule.trigger.needs(self.rule)
        charted = self.rule.trigger.charted(self.rule)
        quotes = {
            symbol: seen[-1] for symbol in self.rule.symbols if (seen := self.seen(symbol, now))
        }
        return View(
            now=now,
            woken_at=now,
            calendar=self.calendar,
            max_age=self.max_age,
            quotes=quotes,
            bars={of: self.completed(of, now)[-needs.sessions :] for of in charted}
            if needs.sessions
            else {},
            recent={of: self.recent(of, now - needs.span) for of in charted} if needs.span else {},
            portfolio=self.portfolio if needs.portfolio else None,
        )

    def seen(self, symbol: str, now: datetime) -> Sequence[Sample]:
        bars = self.bars[symbol]
        last = bisect_right(bars, now, key=attrgetter("at"))
        return [
            Sample(symbol, bars[n].close, bars[n].at, self.volume(symbol, n))
            for n in range(max(0, last - 1), last)
        ]

    def recent(self, symbol: str, since: datetime) -> Sequence[Sample]:
        bars = self.bars[symbol]
        first = max(0, bisect_right(bars, since, key=attrgetter("at")) - 1)
        return [Sample(symbol, bar.close, bar.at) for bar in bars[first:]]

    # --- Sessions, made the slow way ---

    def is_daily(self, symbol: str) -> bool:
        days = [bar.session for bar in self.bars[symbol]]
        return 2 * sum(one == other for one, other in pairwise(days)) <= len(days)

    def session_of(self, at: datetime) -> datetime | None:
        """The close of the session that a bar which ends at `at` is part of."""
        just_before = at - timedelta(microseconds=1)
        if not self.calendar.is_open(just_before):
            return None
        return self.calendar.next_close(just_before)

    def volume(self, symbol: str, index: int) -> int:
        bars = self.bars[symbol]
        if self.is_daily(symbol):
            return bars[index].volume
        within = [n for n in range(index + 1) if self.session_of(bars[n].at)]
        opens = not self.session_of(bars[index].at) and self.calendar.is_open(bars[index].at)
        if not within or opens:
            return 0
        close = self.session_of(bars[within[-1]].at)
        return sum(bars[n].volume for n in within if self.session_of(bars[n].at) == close)

    def completed(self, symbol: str, now: datetime) -> Sequence[Bar]:
        bars = self.bars[symbol]
        if self.is_daily(symbol):
            return bars[: bisect_right(bars, now, key=attrgetter("at"))]
        by_close: dict[datetime, list[Bar]] = {}
        for bar in bars:
            if (close := self.session_of(bar.at)) and close <= now:
                by_close.setdefault(close, []).append(bar)
        return [
            Bar(
                symbol,
                close,
                of[0].open,
                max(bar.high for bar in of),
                min(bar.low for bar in of),
                of[-1].close,
                sum(bar.volume for bar in of),
            )
            for close, of in sorted(by_close.items())
        ]


# --- Bars that are made up ---


@st.composite
def instants(draw: st.DrawFn, calendar: TradingCalendar, *, daily: bool) -> list[datetime]:
    """The ends of bars: closes, most of them; or minutes in and around some sessions."""
    random = Random(draw(st.integers(0, 2**32)))
    days = [FIRST_DAY + timedelta(days=n) for n in range(draw(st.integers(1, 20 if daily else 4)))]
    closes = [close for day in days if (close := calendar.close_of(day))]
    if daily:
        return [close for close in closes if random.random() < 0.95]
    return sorted(
        {
            close - random.choice((0, 1, 2, 5, 60, 389, 390, 391, 400, -1, -5, -200)) * MINUTE
            for close in closes
            for _ in range(12)
        }
    )


@st.composite
def a_series(
    draw: st.DrawFn, symbol: str, at: Sequence[datetime], anchors: Sequence[Decimal]
) -> list[Bar]:
    """Closes that stay, take a step, jump or land next to an anchor."""
    random = Random(draw(st.integers(0, 2**32)))
    price = on_grid(anchors[0] * random.choice(RATIOS))
    bars = []
    for end in at:
        step = random.randrange(-2, 3) * Decimal("0.000001")
        price = random.choice(
            (
                price,
                on_grid(price + step),
                on_grid(price * random.choice(RATIOS) + step),
                on_grid(random.choice(anchors) + step),
            )
        )
        others = [on_grid(price * random.choice(RATIOS)) for _ in range(3)]
        low, high = min(price, *others), max(price, *others)
        bars.append(Bar(symbol, end, others[0], high, low, price, random.randrange(10**4)))
    return bars


def stretched(rule: Rule, start: datetime, *, daily: bool) -> Rule:
    """The rule, made at `start`, its seconds as minutes of daily bars' days."""
    times = 1440 if daily else 1
    begins = start + (rule.valid_from - START) * times
    span = rule.valid_until - rule.valid_from if rule.valid_until else None
    cooldown = rule.cooldown_seconds
    return replace(
        rule,
        valid_from=begins,
        valid_until=begins + span * times if span else None,
        cooldown_seconds=cooldown * times if cooldown is not None else None,
    )
