"""One rule on its way through past bars, from wake to wake. Pure."""

from collections.abc import Callable, Sequence
from copy import replace
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import numpy as np

from actions.backtest.again import Fires
from actions.backtest.books import FREE, Books, Filled, Trade
from actions.backtest.equity import Equity
from actions.backtest.fire import Fire
from actions.backtest.series import Ints, Series, instant, micros, price
from actions.backtest.sight import Past, Sight
from actions.backtest.stretches import stretches
from actions.backtest.ticks import EveryBar, Ticks
from actions.backtest.waking import after
from actions.judge import Finding, Verdict, ended_because, hold_back, judge, move_on
from actions.limits import has_expired
from actions.rules import Desk, Outcome, Rule, Status, Trigger, View, Wake
from actions.trading import HeldBack
from portfolios import money
from portfolios.ledger import Refusal, Side, Snapshot
from portfolios.limits import Limits
from portfolios.money import EXACT

EXPIRED = "Expired."

type Beat = Callable[[float], object]  # told how much of the way is done, from 0 to 1


@dataclass(frozen=True, slots=True)
class Blocked:
    """A firing that was not: `why` is the gate or the refusal's code. Behind a gate it counts once,
    when the rule comes true; the rule then sleeps until the gate opens, as in the engine."""

    at: datetime
    why: str
    reason: str


@dataclass(frozen=True, slots=True)
class Result:
    """What the rule would have done.

    `fires`, `blocked` and `trades` are in order of time. `after` is the rule at the end, `reason`
    why it has ended, or what the last bar means to it. `portfolio` is what is held at the end, in
    the shares of the start. `equity.curve(most)` is what the portfolio was worth along the way,
    beside one that was bought and held.
    """

    fires: Sequence[Fire]
    blocked: Sequence[Blocked]
    trades: Sequence[Trade]
    after: Rule
    reason: str
    portfolio: Snapshot
    equity: Equity


class Player:
    """The rule, its wake and its portfolio, as the engine keeps them.

    It is looked at where its wake says. A rule whose trigger scans the past for candidates is
    looked at those instead, as long as it is just waiting. Where the trigger can tell all firings
    at once, it is looked at from the last one but one on.
    """

    def __init__(
        self, rule: Rule, sight: Sight, ticks: Ticks, books: Books, *, start: datetime
    ) -> None:
        self._rule, self._sight, self._ticks, self._books = rule, sight, ticks, books
        self._start = start
        self._wake = Wake(at=max(start, rule.valid_from))
        self._seen = {past: past.series.last_until(micros(start)) + 1 for past in sight.all}
        self._candidates = _candidates(rule, sight, ticks)
        self._waits = False  # for nothing but a candidate
        self._traded = False
        self._shut: str | None = None  # the gate behind which it is true
        self._fires: list[Fire] = []
        self._blocked: list[Blocked] = []
        self._trades: list[Trade] = []
        self._portfolios = [(micros(start), books.snapshot or Snapshot())]
        self._expired = False
        view = sight.standing(rule, max(start, rule.valid_from), self._books.snapshot)
        self._rule = rule.with_state(rule.trigger.activate(rule, view))

    def play(self, end: datetime | None, beat: Beat | None = None) -> Result:
        """Looks at it until `end`. After each look `beat` is told; what it raises ends the play."""
        told = self._told_at_once()
        tick = self._woken(0) if told is None else self._before_last(told)
        while tick < self._ticks.stop and self._rule.status is Status.ACTIVE:
            self._look(self._ticks.instant(tick))
            tick = self._next(tick + 1)
            if beat is not None:
                beat(tick / self._ticks.stop)
        reason = self._ending(end)
        return Result(
            self._fires if told is None else told,
            self._blocked,
            self._trades,
            self._rule,
            reason,
            self._books.snapshot or Snapshot(),
            Equity(self._rule, self._sight, self._ticks, self._portfolios),
        )

    # --- All of its firings at once ---

    def _told_at_once(self) -> Fires | None:
        """The firings as the trigger itself tells them; None where it cannot, where something may
        hold one back, or where there is no more than one."""
        rule = self._rule
        most = None if rule.max_executions is None else rule.max_executions - rule.executions_count
        stop = ticks_alone(rule, self._sight, self._ticks, self._start)
        once = most is not None and most <= 1
        if once or not stop or rule.effect.trades or rule.cooldown_seconds:
            return None
        (past,) = self._sight.all
        first = past.series.last_until(self._ticks.instant(0) - 1) + 1
        found = rule.trigger.all_fires(rule.state, past.chart(first, first + stop), most)
        if found is None or len(found) < 2:
            return None
        bars = found + first
        return Fires(past.series, bars, self._words_of(rule, past.series, bars))

    def _before_last(self, told: Fires) -> int:
        """Goes on as after the last firing but one. The tick of its next look."""
        now = micros(told[-2].at)
        view = self._sight.view(self._rule, now, self._books.snapshot)
        rule = self._rule = replace(
            self._rule,
            state=self._rule.trigger.activate(self._rule, view),
            executions_count=self._rule.executions_count + len(told) - 1,
            last_triggered_at=view.now,
        )
        self._wake = judge(rule, view).wake
        for past in self._sight.all:
            self._seen[past] = past.series.last_until(now) + 1
        return self._next(self._ticks.first_from(now) + 1)

    def _words_of(self, rule: Rule, series: Series, bars: Ints) -> Callable[[datetime], str]:
        """The reason of each firing: that of the first one of a rule made at the one before it."""
        once = replace(rule, max_executions=1, executions_count=0)

        def words(at: datetime) -> str:
            place = int(np.searchsorted(bars, series.last_until(micros(at))))
            start = instant(series.at[bars[place - 1]]) if place else self._start
            ticks = EveryBar([series], micros(start), None)
            player = Player(once, self._sight, ticks, Books(None, FREE, Limits()), start=start)
            return player.play(None).fires[0].reason

        return words

    # --- When it is looked at ---

    def _next(self, tick: int) -> int:
        """The first tick from this one on at which it is looked at."""
        if self._traded and self._wake.portfolio:
            return tick
        if self._candidates is None:
            return self._woken(tick)
        candidate = self._candidates.first_from(tick)
        if candidate is None:
            self._candidates = None
            return self._woken(tick)
        return candidate if self._waits else min(candidate, self._woken(tick))

    def _woken(self, tick: int) -> int:
        """The first tick from this one on at which its wake asks for a look."""
        found = self._ticks.stop
        if self._wake.at is not None:
            found = min(found, max(tick, self._ticks.first_from(micros(self._wake.at))))
        if found <= tick:
            return found
        until = self._ticks.instant(found - 1)
        for symbol, band in self._wake.bands.items():
            past = self._sight.past(symbol)
            if past is None:
                continue
            series = past.series
            bars = series.last_until(until) + 1
            broken = past.first_break(band, self._seen[past], bars)
            if broken < bars:
                found = min(found, self._ticks.first_from(int(series.at[broken])))
                until = self._ticks.instant(found)
        return found

    # --- A look ---

    def _look(self, now: int) -> None:
        self._traded = False
        rule = self._rule = self._caught_up(now)
        view = self._sight.view(rule, now, self._books.snapshot)
        verdict = judge(rule, view)
        self._waits = verdict.finding in {Finding.NOT_FIRED, Finding.UNKNOWN}
        if verdict.finding is Finding.FIRED:
            self._fire(verdict, view)
            return
        shut = verdict.gate if verdict.finding is Finding.BLOCKED else None
        self._hold(verdict, view, shut if shut and _is_true(rule, view) else None)
        self._rule, self._wake = rule.with_state(verdict.state), verdict.wake
        if verdict.finding is Finding.EXPIRED:
            self._expire()

    def _expire(self) -> None:
        self._rule = replace(self._rule, status=Status.COMPLETED)
        self._expired = True

    def _caught_up(self, now: int) -> Rule:
        """The rule with the best price that a turn has kept for it while it slept."""
        rule = self._rule
        for past, begin in self._seen.items():
            self._seen[past] = end = past.series.last_until(now) + 1
            band = self._wake.bands.get(past.series.symbol)
            if band is not None and band.turn is not None:
                turn = after(band.turn, past.series.close, begin, end)
                rule = rule.with_state({**rule.state, **turn.state})
        return rule

    def _fire(self, verdict: Verdict, view: View) -> None:
        rule = self._rule
        desk = Desk(
            view.now,
            {symbol: view.quotes[symbol] for symbol in rule.effect.symbols(rule)},
            self._books.snapshot,
        )
        try:
            done = self._books.execute(rule, desk)
        except HeldBack as back:
            verdict = hold_back(rule, view, back.refused)
            self._hold(verdict, view, verdict.gate)
            self._wake = verdict.wake
            return
        self._shut = None
        if isinstance(done, Refusal):
            self._blocked.append(Blocked(view.now, done.code, done.message))
        else:
            self._fires.append(Fire(view.now, self._price(view), verdict.reason))
        if isinstance(done, Filled) and done.entries:
            self._traded = True
            self._portfolios.append((micros(view.now), done.after))
            self._trades.extend(self._printed(done, view.now))
        succeeded = not isinstance(done, Refusal)
        self._rule, self._wake = move_on(rule, verdict, view, succeeded=succeeded)

    def _hold(self, verdict: Verdict, view: View, shut: str | None) -> None:
        """Notes that it came true behind a gate; once, as long as it stays so."""
        if shut is not None and shut != self._shut:
            self._blocked.append(Blocked(view.now, shut, verdict.reason))
        self._shut = shut

    # --- What it comes to ---

    def _price(self, view: View) -> Decimal | None:
        symbols = self._rule.trigger.charted(self._rule)
        past = self._sight.past(next(iter(symbols))) if len(symbols) == 1 else None
        if past is None:
            return None
        return price(past.series.printed[past.series.last_until(micros(view.now))])

    def _printed(self, done: Filled, at: datetime) -> list[Trade]:
        """The trades in the shares of their day."""
        trades = []
        for entry, commission, cash in zip(done.entries, done.commissions, done.cash, strict=True):
            past = self._sight.pasts[entry.symbol or ""]
            unit = past.series.unit(past.series.last_until(micros(at)))
            up, down = Decimal(unit.numerator), Decimal(unit.denominator)
            shares = EXACT.multiply(abs(entry.quantity or Decimal(0)), up)
            paid = EXACT.multiply(entry.price or Decimal(0), down)
            trades.append(
                Trade(
                    at=at,
                    side=Side(entry.kind.upper()),
                    symbol=past.series.symbol,
                    quantity=money.quantity(EXACT.divide(shares, down)),
                    price=money.price(EXACT.divide(paid, up)),
                    amount=entry.amount,
                    commission=commission,
                    cash_after=cash,
                )
            )
        return trades

    def _ending(self, end: datetime | None) -> str:
        """Why it has ended; or else what the last look that there can be says."""
        rule, stop = self._rule, self._ticks.stop
        if rule.status is not Status.ACTIVE:
            return EXPIRED if self._expired else ended_because(rule)
        last = self._ticks.instant(stop - 1) if stop else None
        ends = max([at for at in (end, last and instant(last)) if at], default=None)
        if ends is not None and has_expired(rule, ends):
            self._expire()
            return EXPIRED
        if last is None:
            return "There is no price after its start."
        seen = self._caught_up(last)
        return judge(seen, self._sight.view(seen, last, self._books.snapshot)).reason


def ticks_alone(rule: Rule, sight: Sight, ticks: Ticks, start: datetime) -> int:
    """How many of the ticks, from the first one on, are bars of the one symbol that there is, with
    each of which a rule made at `start` is looked at while it is valid; 0 where something else
    counts as well."""
    fresh = not rule.consecutive_failures and rule.last_triggered_at is None
    if not (fresh and rule.status is Status.ACTIVE and rule.valid_from <= start):
        return 0
    if len(sight.pasts) != 1 or not isinstance(ticks, EveryBar):
        return 0
    if rule.valid_until is None:
        return ticks.stop
    return min(ticks.stop, ticks.first_from(micros(rule.valid_until)))


def _is_true(rule: Rule, view: View) -> bool:
    """Whether a rule that a gate refused would have fired."""
    if view.now < rule.valid_from or view.blind_spots(rule.trigger.watched(rule)):
        return False
    return rule.trigger.evaluate(rule, view).outcome is Outcome.FIRED


class _Candidates:
    """The ticks at which a trigger's own scan finds that it may fire, a stretch at a time.

    Only for a rule that needs one symbol's bars alone: then its bars are the ticks.
    """

    def __init__(self, rule: Rule, past: Past, ticks: EveryBar) -> None:
        self._rule, self._past = rule, past
        self._first = past.series.last_until(ticks.instant(0) - 1) + 1  # the bar of tick 0
        self._stop = ticks.stop
        self._stretches = stretches(self._first, self._first + ticks.stop)
        self._found: Ints = np.zeros(0, np.int64)
        self._scanned = 0  # the ticks before this one

    def first_from(self, tick: int) -> int | None:
        """The first candidate from this tick on; None where the trigger cannot tell."""
        while True:
            place = int(np.searchsorted(self._found, tick))
            if place < len(self._found):
                return int(self._found[place])
            if self._scanned >= self._stop:
                return self._stop
            begin, end = next(self._stretches)
            self._scanned = end - self._first
            if self._scanned <= tick:
                continue
            found = self._rule.trigger.scan(self._rule, self._past.chart(begin, end))
            if found is None:
                return None
            self._found = found + (begin - self._first)


def _candidates(rule: Rule, sight: Sight, ticks: Ticks) -> _Candidates | None:
    """Where they are of use: not for a trigger that does not scan."""
    if len(sight.pasts) != 1 or not isinstance(ticks, EveryBar) or not ticks.stop:
        return None
    if type(rule.trigger).scan is Trigger.scan:
        return None
    (past,) = sight.pasts.values()
    return _Candidates(rule, past, ticks)
