"""An engine without a database: it looks at one rule always, or only when it is woken."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from copy import replace
from datetime import datetime
from decimal import Decimal
from operator import attrgetter

from hypothesis import event

from actions.judge import Finding, Verdict, begin, judge, move_on
from actions.rules import (
    PRICE_STEP,
    Band,
    Rule,
    Status,
    View,
    Wake,
)
from actions.scaling import Factor
from market.quotes import PRICE_MAX, Sample, is_fresh
from tests.unit.conftest import (
    MAX_AGE,
)
from tests.unit.made_up_markets import (
    START,
    Instant,
    Market,
    divided,
    in_shares_of,
    on_grid,
)


def breaks(band: Band, quote: Sample) -> bool:
    """Whether `quote` wakes whoever sleeps in `band`: its levels are inclusive."""
    return (
        (band.below is not None and quote.price <= band.below)
        or (band.above is not None and quote.price >= band.above)
        or (
            band.volume_above is not None
            and quote.volume is not None
            and quote.volume >= band.volume_above
        )
        or (band.turn is not None and band.turn.reached(quote.price))
    )


def after(bands: Mapping[str, Band], quotes: Mapping[str, Sample]) -> Mapping[str, Band]:
    """The bands once `quotes` were seen: a turn's best price moves with them."""
    return {
        symbol: replace(band, turn=band.turn.after(quotes[symbol].price))
        if band.turn is not None and symbol in quotes
        else band
        for symbol, band in bands.items()
    }


class Engine:
    """Looks at one rule, in every tick or only when it is woken, and counts as the real one."""

    def __init__(self, rule: Rule, market: Market, *, sleeps: bool) -> None:
        self.rule, self.market, self.sleeps = rule, market, sleeps
        self.wake = Wake(at=max(START, rule.valid_from))  # the first look
        self.samples = {symbol: list(earlier) for symbol, earlier in market.earlier.items()}
        self.quotes = {symbol: of[-1] for symbol, of in self.samples.items() if of}
        self.portfolio = market.instants[0].portfolio if market.instants else None
        self.fired: list[tuple[datetime, Mapping[str, Decimal], str]] = []
        self.looks = 0
        if rule.valid_from <= START:
            self.rule = rule.with_state(rule.trigger.activate(rule, self.view(START)))
        else:
            self.rule = replace(rule, begun=False)

    def view(self, now: datetime) -> View:
        needs = self.rule.trigger.needs(self.rule)
        charted = sorted(self.rule.trigger.charted(self.rule))
        return View(
            now=now,
            woken_at=now,
            calendar=self.market.calendar,
            max_age=MAX_AGE,
            quotes=dict(self.quotes),
            bars={of: self.market.completed(of, now, needs.sessions) for of in charted},
            recent={of: self.recent(of, now - needs.span) for of in charted} if needs.span else {},
            portfolio=self.portfolio,
        )

    def recent(self, symbol: str, since: datetime) -> Sequence[Sample]:
        """The samples after `since`, and the last one until then."""
        samples = self.samples.get(symbol, [])
        return samples[max(0, bisect_right(samples, since, key=attrgetter("as_of")) - 1) :]

    def see(self, instant: Instant) -> None:
        self.quotes |= instant.quotes
        fresh = {
            symbol: quote
            for symbol, quote in instant.quotes.items()
            if is_fresh(quote.as_of, instant.now, MAX_AGE)
        }
        self.wake = replace(self.wake, bands=after(self.wake.bands, fresh))
        for symbol, quote in instant.quotes.items():
            self.samples.setdefault(symbol, []).append(quote)
        self.portfolio = instant.portfolio

    def is_woken(self, instant: Instant) -> bool:
        if self.wake.at is not None and self.wake.at <= instant.now:
            return True
        if self.portfolio != instant.portfolio:  # a trade wakes the rules that look at holdings
            return True
        return any(
            breaks(self.wake.bands.get(symbol, Band()), quote)
            for symbol, quote in instant.quotes.items()
        )

    def tick(self, instant: Instant) -> None:
        looks = not self.sleeps or self.is_woken(instant)
        self.see(instant)
        if self.rule.status is Status.ACTIVE and looks:
            self.look(instant)

    def look(self, instant: Instant) -> None:
        self.looks += 1
        self.rule = self.caught_up()
        view = self.view(instant.now)
        self.rule = begin(self.rule, view)
        verdict = judge(self.rule, view)
        if verdict.finding is Finding.FIRED:
            self.fire(verdict, view, succeeds=instant.takes_orders or not self.rule.effect.trades)
            return
        ended = verdict.finding is Finding.EXPIRED
        self.rule = replace(
            self.rule,
            state=verdict.state,
            status=Status.COMPLETED if ended else self.rule.status,
        )
        self.wake = verdict.wake

    def caught_up(self) -> Rule:
        """The rule with the best price that a turn has kept for it while it slept."""
        turns = [band.turn.state for band in self.wake.bands.values() if band.turn is not None]
        return self.rule.with_state({**self.rule.state, **turns[0]}) if turns else self.rule

    def fire(self, verdict: Verdict, view: View, *, succeeds: bool) -> None:
        prices = {symbol: quote.price for symbol, quote in view.quotes.items()}
        self.fired.append((view.now, prices, verdict.reason))
        self.rule, self.wake = move_on(self.rule, verdict, view, succeeded=succeeds)


def inside(band: Band, dice: int) -> Decimal | None:
    """A price strictly inside `band`, most often at its very edge; None: there is none."""
    stop = band.turn.stop if band.turn is not None else None
    falls = band.turn is not None and band.turn.turning.falls
    below = stop if stop is not None and falls else band.below
    above = stop if stop is not None and not falls else band.above
    lowest = PRICE_STEP if below is None else max(below + PRICE_STEP, PRICE_STEP)
    highest = PRICE_MAX if above is None else min(above - PRICE_STEP, PRICE_MAX)
    if lowest > highest:
        return None
    if dice < 200:
        return lowest if dice % 2 else highest
    return on_grid(lowest + (highest - lowest) * (dice - 200) / 55)


def assert_sleeping_loses_nothing(rule: Rule, market: Market) -> None:
    always = Engine(rule, market, sleeps=False)
    woken = Engine(rule, market, sleeps=True)
    for instant in market.instants:
        always.tick(instant)
        woken.tick(instant)
        assert woken.fired == always.fired
        assert woken.rule.status == always.rule.status
    event(f"fired {len(always.fired)} times")
    event(f"ended {always.rule.status}")
    assert woken.looks <= always.looks


# --- Splits ---


def assert_a_split_changes_nothing(
    rules: tuple[Rule, Rule], markets: tuple[Market, Market], symbol: str, factor: Factor, at: int
) -> None:
    """A rule that goes through a split at a tick does what one does that has lived in new shares
    all along. Each pair is the same thing, in old and in new shares, nothing of it rounded."""
    engine, lived_in_new = (
        Engine(rule, market, sleeps=True) for rule, market in zip(rules, markets, strict=True)
    )
    old, new = markets
    for tick, instant in enumerate(new.instants):
        if tick == at:
            split(engine, new, symbol, factor)
        engine.tick(old.instants[tick] if tick < at else instant)
        lived_in_new.tick(instant)
        assert [now for now, _, _ in engine.fired] == [now for now, _, _ in lived_in_new.fired]
        assert engine.rule.status == lived_in_new.rule.status
    event(f"fired {len(engine.fired)} times")


def split(engine: Engine, market: Market, symbol: str, factor: Factor) -> None:
    """What the product does at a split: the rule, with its best price until now, and what is known
    of the symbol are brought into new shares, and the rule is looked at again."""
    engine.rule = engine.caught_up().after_split(symbol, factor)
    engine.wake = Wake(at=max(START, engine.rule.valid_from))
    engine.market = market
    of = engine.samples.get(symbol, [])
    engine.samples[symbol] = [in_shares_of(sample, 1 / factor, factor) for sample in of]
    if symbol in engine.quotes:
        engine.quotes[symbol] = in_shares_of(engine.quotes[symbol], 1 / factor, factor)
    if engine.portfolio is not None:
        engine.portfolio = divided(engine.portfolio, symbol, factor)
