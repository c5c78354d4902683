"""What somebody asks a rule to be, and whether it can be one."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import MAXYEAR, MINYEAR, date, datetime
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

from accounts.models import User
from actions.models import Action
from actions.parts import InvalidRule
from actions.registry import parse_effect, parse_trigger, stored_params
from actions.rules import Rule
from market.directory import Listing
from market.services import admit, calendar
from portfolios.models import Portfolio
from portfolios.services import primary_portfolio

_NO_SUCH_END = "That is beyond the calendar. Choose an earlier end, or none."
LONGEST_COOLDOWN_SECONDS = 366 * 86_400
LONGEST_EXTERNAL_ID = 100  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A rule as somebody asks for it: names and meanings are those of the columns.

    `valid_until` may be an instant, or a date: then it is that date's close, or the last close
    before it where that day has no session.
    """

    action_type: str
    trigger_type: str
    trigger_params: Mapping[str, Any]
    symbol: str | None = None
    quantity: Decimal | None = None
    amount_usd: Decimal | None = None
    action_params: Mapping[str, Any] = field(default_factory=dict)
    portfolio_id: UUID | None = None
    valid_from: datetime | None = None
    valid_until: datetime | date | None = None
    max_executions: int | None = 1
    cooldown_seconds: int | None = None
    notes: str | None = None
    rehearsal: bool = False
    external_id: str | None = None

    @classmethod
    def of(cls, action: Action) -> "Draft":
        """A stored rule, as somebody would ask for it."""
        return cls(
            action_type=action.action_type,
            trigger_type=action.trigger_type,
            trigger_params=action.trigger_params,
            symbol=action.symbol,
            quantity=action.quantity,
            amount_usd=action.amount_usd,
            action_params=action.action_params,
            portfolio_id=action.portfolio_id,
            valid_from=action.valid_from,
            valid_until=action.valid_until,
            max_executions=action.max_executions,
            cooldown_seconds=action.cooldown_seconds,
            notes=action.notes,
            rehearsal=action.rehearsal,
            external_id=action.external_id,
        )


class Admits(Protocol):
    """Which of these symbols no rule may name, each with what may be meant instead."""

    def __call__(self, *, symbols: Collection[str]) -> Mapping[str, Sequence[Listing]]: ...


def parse(draft: Draft, now: datetime, admits: Admits = admit) -> Rule:
    """The draft as a rule. Raises InvalidRule with all that is wrong, not only the first.

    Symbols that the directory lists are added; by `unlisted` as `admits` nothing is.
    """
    errors: dict[str, str] = {}
    trigger = _try(errors, parse_trigger, draft.trigger_type, draft.trigger_params)
    sizes = {"quantity": draft.quantity, "amount_usd": draft.amount_usd}
    effect = _try(
        errors,
        parse_effect,
        draft.action_type,
        sizes={name: size for name, size in sizes.items() if size is not None},
        params=draft.action_params,
    )
    errors |= _limit_errors(draft)
    if trigger is None or effect is None or errors:
        raise InvalidRule(errors)
    rule = Rule(
        id=None,
        symbol=draft.symbol.strip().upper() if draft.symbol else None,
        trigger=trigger,
        effect=effect,
        valid_from=draft.valid_from or now,
        valid_until=instant_of(draft.valid_until),
        max_executions=draft.max_executions,
        cooldown_seconds=draft.cooldown_seconds,
        rehearsal=draft.rehearsal,
    )
    effect.check(rule.symbol)
    trigger.check(rule)
    _check_symbols(rule, admits)
    _check_span(rule, now)
    return rule


def apply(draft: Draft, rule: Rule, action: Action, portfolio: Portfolio | None) -> None:
    """Sets the columns that are the user's to what `draft` asks for, which `rule` is read from.

    `portfolio` is the one that it trades in or looks at (portfolio_of).
    """
    action.portfolio = portfolio
    action.action_type = draft.action_type
    action.symbol = rule.symbol
    action.quantity = draft.quantity
    action.amount_usd = draft.amount_usd
    action.action_params = stored_params(rule.effect)
    action.trigger_type = draft.trigger_type
    action.trigger_params = stored_params(rule.trigger)
    action.valid_from = rule.valid_from
    action.valid_until = rule.valid_until
    action.max_executions = rule.max_executions
    action.cooldown_seconds = rule.cooldown_seconds
    action.notes = draft.notes
    action.rehearsal = rule.rehearsal
    action.external_id = draft.external_id


def _try[**P, R](
    errors: dict[str, str], parse: Callable[P, R], *args: P.args, **kw: P.kwargs
) -> R | None:
    try:
        return parse(*args, **kw)
    except InvalidRule as invalid:
        errors |= invalid.errors
        return None


def _limit_errors(draft: Draft) -> dict[str, str]:
    errors = {}
    if draft.max_executions is not None and not 1 <= draft.max_executions <= 1_000_000:
        errors["max_executions"] = (
            "Use a whole number from 1 to 1,000,000, or leave it out for no limit."
        )
    cooldown = draft.cooldown_seconds
    if cooldown is not None and not 0 <= cooldown <= LONGEST_COOLDOWN_SECONDS:
        errors["cooldown_seconds"] = "Use at most a year, in whole seconds."
    name = draft.external_id
    if name is not None and not (
        1 <= len(name) <= LONGEST_EXTERNAL_ID and name.isprintable() and name == name.strip()
    ):
        errors["external_id"] = (
            f"Use 1 to {LONGEST_EXTERNAL_ID} visible characters, without spaces at the ends."
        )
    return errors


def _check_symbols(rule: Rule, admits: Admits) -> None:
    named = {"symbol": rule.symbol} if rule.symbol else {}
    for prefix, part in (("trigger_params", rule.trigger), ("action_params", rule.effect)):
        named |= {f"{prefix}.{path}": symbol for path, symbol in part.named().items()}
    unknown = admits(symbols=set(named.values()))
    if unknown:
        raise InvalidRule(
            {
                path: _not_known(symbol, unknown[symbol])
                for path, symbol in named.items()
                if symbol in unknown
            }
        )


def _not_known(symbol: str, near: Sequence[Listing]) -> str:
    words = f"“{symbol}” is not a symbol that is known here."
    meant = " or ".join(f"{listing.symbol} ({listing.name})" for listing in near)
    return f"{words} Did you mean {meant}?" if meant else words


def _check_span(rule: Rule, now: datetime) -> None:
    if not _in_calendar(rule.valid_from):
        raise InvalidRule({"valid_from": "That is beyond the calendar. Leave it out for now."})
    if rule.valid_until is None:
        return
    if not _in_calendar(rule.valid_until):
        raise InvalidRule({"valid_until": _NO_SUCH_END})
    if rule.valid_until <= now:
        raise InvalidRule({"valid_until": "That has passed already. Choose a later end."})
    if rule.valid_until <= rule.valid_from:
        raise InvalidRule(
            {"valid_until": "The end must be later than the beginning. Choose a later end."}
        )


def _in_calendar(at: datetime) -> bool:
    """Whether it has a day by the clocks of every zone."""
    return MINYEAR < at.year < MAXYEAR


def instant_of(end: datetime | date | None) -> datetime | None:
    """The end that is meant: of a day its close. Raises InvalidRule for one beyond the calendar."""
    if end is None or isinstance(end, datetime):
        return end
    try:
        return calendar().last_close_until(end)
    except OverflowError:
        raise InvalidRule({"valid_until": _NO_SUCH_END}) from None


def portfolio_of(user: User, draft: Draft, rule: Rule) -> Portfolio | None:
    """The portfolio that it trades in, or looks at. Raises InvalidRule for one of another user."""
    if draft.portfolio_id is not None:
        mine = Portfolio.objects.filter(user=user, pk=draft.portfolio_id).first()
        if mine is None:
            raise InvalidRule({"portfolio_id": "You have no such portfolio."})
        return mine
    return primary_portfolio(user=user) if has_portfolio(rule) else None


def has_portfolio(rule: Rule) -> bool:
    """Whether the rule trades in a portfolio, or looks at one."""
    return rule.effect.trades or rule.trigger.needs(rule).portfolio
