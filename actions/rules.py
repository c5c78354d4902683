"""What a rule is, and the words in which triggers, effects and gates speak about it.

Pure: the instant, the quotes, the calendar and the portfolio come in as arguments, so that the
engine, a simulation and a backtest all ask the same question and get the same answer.

What is made for each look at a rule is a NamedTuple, like which nothing else that cannot be changed
is made so quickly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self
from uuid import UUID

from pydantic import Field

from actions.fields import Symbol
from actions.marks import Mark
from actions.parts import InvalidRule, Part
from actions.scaling import Factor, price_after
from actions.turns import Turn
from market.hours import TradingCalendar
from market.quotes import Bar, Sample, is_fresh
from portfolios.ledger import Order, Refusal, Snapshot

if TYPE_CHECKING:  # arrays are for those who backtest
    from actions.backtest.chart import Chart
    from actions.backtest.series import Ints

PRICE_STEP = Decimal("0.000001")  # the finest difference between two prices

State = Mapping[str, Any]
NOTHING: Mapping[str, Any] = {}  # never written to


class Status(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"


# --- What a rule sees, and when it wants to be woken ---


@dataclass(frozen=True, slots=True)
class Needs:
    """What a trigger looks at beside the latest quotes, so that it can be fetched for many at once.

    `sessions`: so many completed sessions of each watched symbol. `span`: the samples of each
    watched symbol of so long, and the last one before them. `portfolio`: the rule's portfolio.
    """

    sessions: int = 0
    span: timedelta | None = None
    portfolio: bool = False


NO_NEEDS = Needs()


class View(NamedTuple):
    """All that a rule may look at, at one instant.

    `now` is the tick's instant. `quotes` are those that woke the rule, and `woken_at` is when:
    they are judged fresh or stale by that instant, so that whoever takes a rule over from an
    evaluator that died reaches the verdict that the dead one would have reached.

    The rest is there for triggers that ask for it in their `needs`: `bars` are each symbol's
    completed sessions (those with `at` <= now), oldest first, as many as there are of those asked
    for; `recent` each symbol's earlier samples, oldest first; `portfolio` the rule's.
    """

    now: datetime
    woken_at: datetime
    calendar: TradingCalendar
    max_age: timedelta
    quotes: Mapping[str, Sample] = NOTHING
    bars: Mapping[str, Sequence[Bar]] = NOTHING
    recent: Mapping[str, Sequence[Sample]] = NOTHING
    portfolio: Snapshot | None = None

    def blind_spots(self, symbols: frozenset[str]) -> dict[str, str]:
        """Those of `symbols` that have no fresh quote, each with the reason in words."""
        blind = {}
        for symbol in sorted(symbols):
            quote = self.quotes.get(symbol)
            if quote is None:
                blind[symbol] = f"There is no quote for {symbol} yet."
            elif not is_fresh(quote.as_of, self.woken_at, self.max_age):
                age = round((self.woken_at - quote.as_of).total_seconds())
                blind[symbol] = f"The last quote for {symbol} was {age} s old, too old to act on."
        return blind


@dataclass(frozen=True, slots=True)
class Band:
    """Wake me at or above this price, at or below that one, at or above this volume, or when the
    price turns.

    None means never. An empty band sleeps through every price.
    """

    below: Decimal | None = None
    above: Decimal | None = None
    volume_above: int | None = None
    turn: Turn | None = None


ANY_PRICE = Band(above=PRICE_STEP)  # the lowest price that there can be


@dataclass(frozen=True, slots=True)
class Threshold:
    """A price that never moves, and whether it is waited for from below."""

    price: Decimal
    rising: bool


class Wake(NamedTuple):
    """When a sleeping rule must be looked at again: a band a symbol, an instant, and whether a
    change of its portfolio wakes it, too.

    The sleep contract: while each price stays strictly inside its band and the instant has not
    come, looking at the rule would neither fire it nor change its state, save for the best price
    that a turn keeps for it.
    """

    bands: Mapping[str, Band] = NOTHING
    at: datetime | None = None
    portfolio: bool = False

    def no_later_than(self, instant: datetime | None) -> Wake:
        if instant is None or (self.at is not None and self.at <= instant):
            return self
        return self._replace(at=instant)


class Outcome(StrEnum):
    FIRED = "fired"
    NOT_FIRED = "not_fired"
    UNKNOWN = "unknown"


class Evaluation(NamedTuple):
    """A trigger's answer: the outcome, the reason in words with its numbers, the new state."""

    outcome: Outcome
    reason: str
    state: State = NOTHING


# --- Triggers and effects: one file each, found by the registry ---


class Trigger(Part):
    """A condition. Its file's name is its `trigger_type`, its fields are the `trigger_params`."""

    symbol: Symbol | None = Field(
        None,
        title="Symbol watched",
        description="The symbol whose market is watched, when it is not the one that is traded.",
    )

    def check(self, rule: Rule) -> None:
        """Raises InvalidRule when it does not go with the rest of `rule`.

        By default that is when there is no symbol for it to watch.
        """
        if not (self.symbol or rule.symbol):
            # A trade whose rule has no symbol takes none.
            path = "trigger_params.symbol" if rule.effect.trades else "symbol"
            raise InvalidRule({path: "Say which symbol to watch."})

    def named(self) -> Mapping[str, str]:
        return {"symbol": self.symbol} if self.symbol else {}

    def watched(self, rule: Rule) -> frozenset[str]:
        """The symbols without whose fresh quotes it cannot be judged."""
        symbol = self.symbol or rule.symbol
        return frozenset({symbol}) if symbol else frozenset()

    def needs(self, rule: Rule) -> Needs:
        """What it looks at beside the latest quotes of the symbols it watches."""
        return NO_NEEDS

    def charted(self, rule: Rule) -> frozenset[str]:
        """The symbols whose sessions and samples it needs: those it watches, by default."""
        return self.watched(rule)

    def state_after_split(self, state: State, factor: Factor) -> State:
        """The state in new shares.

        By default what it keeps as `peak` and `trough` are prices, the highest and the lowest seen:
        the one is rounded down and the other up, so that no turn is larger than it was.
        """
        scaled = {
            name: str(price_after(Decimal(state[name]), factor, up=name == "trough"))
            for name in ("peak", "trough")
            if name in state
        }
        return {**state, **scaled}

    def activate(self, rule: Rule, view: View) -> State:
        """The state to start from, given the quotes that tell the price at its activation.

        Those may be too old to act on, such as the last close; a symbol may have none.
        """
        return {}

    def evaluate(self, rule: Rule, view: View) -> Evaluation:
        """Judges `rule` by `view`; every watched symbol has a fresh quote in it."""
        raise NotImplementedError

    def watch(self, rule: Rule, view: View) -> Wake:
        """When to look again, for a rule that was just evaluated and carries its new state."""
        raise NotImplementedError

    def follow(self, rule: Rule, view: View) -> Wake:
        """When to look again at a rule that is true and may not fire: what changes its state.

        It sleeps until the gate opens that holds it back; a peak that it follows must rise until
        then too. By default nothing changes.
        """
        return Wake()

    def threshold_price(self) -> Threshold | None:
        """The one fixed price of the symbol it watches at which it fires, where there is one: how
        near the market came to it can then be told."""
        return None

    def scan(self, rule: Rule, chart: Chart) -> Ints | None:
        """For a backtest: the bars of `chart`, counted from its first, at which it may fire.

        For a trigger that must be looked at so often that jumping from wake to wake would be slow,
        and whose state nothing but a firing changes, as far as these bars can tell. Every bar at
        which it first comes true must be among them; each is then looked at exactly. By default,
        and where None is returned, it is looked at whenever its `watch` wakes it.
        """
        return None

    def first_fires(
        self, parameter: str, values: Sequence[Decimal | int], state: State, chart: Chart
    ) -> Sequence[int] | Ints | None:
        """For a sweep: with each of these values of `parameter` in the place of its own, the bar of
        `chart`, counted from its first, at which it first fires; as many as there are bars where
        it never does.

        It is looked at with every bar, from the first one on, and starts from `state`. Exact. By
        default, and where None is returned, each setting is played.
        """
        return None

    def all_fires(self, state: State, chart: Chart, most: int | None) -> Ints | None:
        """For a backtest: the bars of `chart`, counted from its first, at which it fires, where
        each firing is carried out; the first `most` of them, or all.

        It is looked at with every bar, from the first one on, and starts from `state`. Exact. Only
        for a trigger that starts anew with each firing: the state after it is what `activate` makes
        of the bar that fired it. By default, and where None is returned, it is played.
        """
        return None

    def describe(self, symbol: str | None) -> str:
        """The condition as the middle of a sentence, such as "when the price is at ..."."""
        raise NotImplementedError

    def annotate(self, rule: Rule, view: View) -> tuple[Mark, ...]:
        """What a chart draws for `rule`: what a quote of `view.now` would be judged by.

        It may lack its state and `view` its quotes, sessions or samples: what they would tell is
        left out.
        """
        raise NotImplementedError


class Desk(NamedTuple):
    """What an effect plans with: the instant, the current quotes and the locked portfolio."""

    now: datetime
    quotes: Mapping[str, Sample]
    portfolio: Snapshot | None = None


class Plan(NamedTuple):
    """What an effect means to do: orders in the order they are placed, and words for its owner."""

    orders: tuple[Order, ...] = ()
    message: str = ""


class Effect(Part):
    """What happens when a rule fires. Its file's name is its `action_type` in lower case.

    Its fields are the rule's `quantity` and `amount_usd`, where it has them, and `action_params`.
    """

    trades: ClassVar[bool]

    def check(self, symbol: str | None) -> None:
        """Raises InvalidRule when the rule's symbol does not go with the effect."""
        if self.trades and not symbol:
            raise InvalidRule({"symbol": f"Say which symbol to {self.key()}."})

    def rounds_up(self, parameter: str) -> bool:
        return False  # as holdings are cut: what was to sell all of them is not too much

    def symbols(self, rule: Rule) -> frozenset[str]:
        """The symbols it trades, whose quotes must be at hand when it fires."""
        return frozenset({rule.symbol}) if self.trades and rule.symbol else frozenset()

    def plan(self, rule: Rule, desk: Desk) -> Plan | Refusal:
        raise NotImplementedError

    def describe(self, symbol: str | None) -> str:
        """The beginning of the sentence, such as "Sell 10 AAPL"."""
        raise NotImplementedError


# --- The rule itself ---


class Rule(NamedTuple):
    """A user's rule as the pure core sees it, its parameters parsed.

    A `rehearsal` does all that a rule does but trade. One that has not `begun` has a trigger whose
    state is still to be started.
    """

    id: UUID | None
    symbol: str | None
    trigger: Trigger
    effect: Effect
    valid_from: datetime
    valid_until: datetime | None = None
    status: Status = Status.ACTIVE
    max_executions: int | None = 1
    executions_count: int = 0
    cooldown_seconds: int | None = None
    last_triggered_at: datetime | None = None
    consecutive_failures: int = 0
    state: State = NOTHING
    rehearsal: bool = False
    begun: bool = True

    @property
    def symbols(self) -> frozenset[str]:
        """Every symbol whose quote it needs, to be judged or to be executed."""
        trigger = self.trigger
        return trigger.watched(self) | trigger.charted(self) | self.effect.symbols(self)

    @property
    def traded(self) -> str:
        """The one symbol it trades. Raises InvalidRule where there is none."""
        if self.symbol is None:
            raise InvalidRule({"symbol": "The rule names no symbol to trade."})
        return self.symbol

    def with_state(self, state: State) -> Self:
        return self._replace(state=state)

    def after_split(self, symbol: str, factor: Factor, *, state: bool = True) -> Self:
        """The rule after a split of `symbol`: its trigger where it looks at that symbol, its size
        where it trades it. With `state` false the trigger starts anew.

        Raises InvalidRule where it cannot be.
        """
        trigger, effect, remembered = self.trigger, self.effect, self.state
        if symbol in trigger.watched(self) | trigger.charted(self):
            trigger = trigger.after_split(factor)
            remembered = trigger.state_after_split(remembered, factor)
            if not state and remembered != self.state:
                remembered = {}
        if symbol == self.symbol:
            effect = effect.after_split(factor)
        return self._replace(trigger=trigger, effect=effect, state=remembered)
