"""What each line of a file asks for: a new rule, a changed one, nothing, or what cannot be.

Nothing is written here. The rows of rules are made, or changed in memory, as they would be stored;
whoever applies the import writes them (storing.py).
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import batched
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from accounts.models import User
from actions.bulk.columns import Line
from actions.bulk.reading import Fault, Record, shortened
from actions.changing import EditRefused, check_editable, edit, end_watch, resume
from actions.drafting import Admits, Draft, apply, has_portfolio, instant_of, parse
from actions.lifecycle import TransitionRefused
from actions.models import Action
from actions.parts import InvalidRule
from actions.registry import parse_effect, parse_trigger, problems_of, stored_params
from actions.rules import Rule, Status
from actions.services import UNWATCHED
from actions.turns import Turn
from actions.water_marks import followed
from market.directory import Listing
from portfolios.models import Portfolio

AT_ONCE = 1000  # lines that are looked at together
_SETTINGS = tuple(each.name for each in fields(Draft))


class Outcome(StrEnum):
    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    ERROR = "error"


@dataclass(slots=True)
class Verdict:
    """What comes of a line. `changes` names the settings that become different.

    `draft` is what is asked for, where its symbols are still to be looked up. `action` is the row
    as it is to be, which a new rule has only where rows are made; `rule` what it then is, where its
    watch is to be set anew; `anew` whether its trigger begins anew; `ended` whether it sleeps for
    good.
    """

    line: int
    name: str
    outcome: Outcome = Outcome.UNCHANGED
    faults: list[Fault] = field(default_factory=list)
    changes: tuple[str, ...] = ()
    draft: Draft | None = None
    action: Action | None = None
    rule: Rule | None = None
    anew: bool = False
    ended: bool = False


class Check:
    """Looks at the lines of one file for one user, at one instant.

    `admits` says which symbols no rule may name, as market's `admit` and `unlisted` do; `primary`
    gives the portfolio of rules that name none. `makes` has the rows of new rules made; `who`
    imports them, as their owner is told.
    """

    def __init__(
        self,
        *,
        user: User,
        now: datetime,
        admits: Admits,
        primary: Callable[[], Portfolio | None],
        makes: bool,
        who: str = "you",
    ) -> None:
        self._user = user
        self._now = now
        self._who = who
        self._symbols = _Symbols(admits)
        self._primary = primary
        self._makes = makes
        self._portfolios: dict[str, Portfolio] = {}
        for portfolio in Portfolio.objects.filter(user=user):
            self._portfolios |= {str(portfolio.pk): portfolio}
        for portfolio in list(self._portfolios.values()):
            self._portfolios |= {portfolio.name: portfolio}  # a name that looks like an id is one
        self._lines: dict[str, int] = {}
        self._turns: Mapping[UUID, Turn] = {}

    def verdicts(self, records: Iterable[Record]) -> Iterator[Sequence[Verdict]]:
        """Of each line, in the file's order, some hundreds together."""
        for some in batched(records, AT_ONCE):
            yield self._judged(some)

    def _judged(self, records: Sequence[Record]) -> Sequence[Verdict]:
        asked = [self._read(record) for record in records]
        known = self._known([line.external_id for line, _ in asked if line])
        ids = [action.pk for action in known.values()]
        self._turns = followed(action_ids=ids) if ids else {}
        for line, verdict in asked:
            if line:
                self._judge(line, verdict, known.get(line.external_id))
        self._refuse_symbols(verdict for _, verdict in asked)
        return [verdict for _, verdict in asked]

    def _read(self, record: Record) -> tuple[Line | None, Verdict]:
        said = record.given.get("external_id")
        name = said if isinstance(said, str) else ""
        verdict = Verdict(record.line, shortened(name), faults=list(record.faults))
        line = None
        try:
            line = Line.model_validate(record.given) if record.given else None
        except ValidationError as wrong:
            errors = problems_of(wrong)
            told = {fault.column for fault in record.faults}
            _fault(verdict, {path: errors[path] for path in errors if path not in told})
        first = self._lines.setdefault(name, record.line)
        if name and first != record.line:
            words = f"Line {first} has the same one. Each line is a rule of its own."
            _fault(verdict, {"external_id": words})
        if line is None and not verdict.faults:
            _fault(verdict, {"": "There is nothing in this line. Take it out."})
        if verdict.faults:
            verdict.outcome = Outcome.ERROR
            return None, verdict
        return line, verdict

    def _known(self, names: Sequence[str]) -> Mapping[str, Action]:
        """The user's rules of these names, or of these ids where they have no name."""
        mine = Action.objects.filter(user=self._user)
        found = {action.external_id or "": action for action in mine.filter(external_id__in=names)}
        ids = {id: name for name in names if name not in found and (id := _as_id(name))}
        unnamed = mine.filter(external_id=None, pk__in=ids) if ids else ()
        return {**found, **{ids[action.pk]: action for action in unnamed}}

    def _judge(self, line: Line, verdict: Verdict, action: Action | None) -> None:
        try:
            wanted = self._wanted(line)
            if action is None:
                self._make(wanted, line.status, verdict)
            else:
                self._change(wanted, line.status, verdict, action)
        except InvalidRule as invalid:
            verdict.outcome = Outcome.ERROR
            _fault(verdict, invalid.errors)
        except (EditRefused, TransitionRefused) as refused:
            verdict.outcome = Outcome.ERROR
            words = f"{refused} Take the line out, or give it another external_id."
            _fault(verdict, {"status": words})

    def _wanted(self, line: Line) -> dict[str, Any]:
        """The settings that the line gives, by their names in a Draft."""
        wanted = line.given()
        wanted.pop("status", None)
        if (named := wanted.pop("portfolio", None)) is not None:
            portfolio = self._portfolios.get(named)
            if portfolio is None:
                words = "You have no such portfolio. Use the name or the id of one of yours."
                raise InvalidRule({"portfolio": words})
            wanted["portfolio_id"] = portfolio.pk
        return wanted

    def _make(self, wanted: Mapping[str, Any], status: Status | None, verdict: Verdict) -> None:
        if status not in (None, Status.ACTIVE, Status.PAUSED):
            words = "A new rule is active or paused. Take the line out, or change this."
            raise InvalidRule({"status": words})
        draft = Draft(**wanted)
        rule = parse(draft, self._now, self._symbols.noted)
        verdict.outcome, verdict.draft, verdict.rule = Outcome.NEW, draft, rule
        if not self._makes:
            return
        # In the order of the file: where two rules want the same cash, the older one goes first.
        made = self._now + timedelta(microseconds=verdict.line)
        action = Action(user=self._user, created_at=made, updated_at=self._now)
        apply(draft, rule, action, self._portfolio(draft, rule))
        action.status = Action.Statuses(status or Status.ACTIVE)
        action.status_reason = f"Imported by {self._who}."
        verdict.action = action
        verdict.anew = action.status == Action.Statuses.ACTIVE

    def _change(
        self,
        wanted: Mapping[str, Any],
        status: Status | None,
        verdict: Verdict,
        action: Action,
    ) -> None:
        changes = _differing(wanted, action)
        verdict.action = action
        verdict.changes = tuple(name for name in _SETTINGS if name in changes)
        if changes:
            self._edit(changes, verdict, action)
        if status is not None and status != action.status:
            verdict.changes += ("status",)
            self._move(status, verdict, action)
        if verdict.changes:
            verdict.outcome = Outcome.CHANGED

    def _edit(self, changes: Mapping[str, Any], verdict: Verdict, action: Action) -> None:
        check_editable(action)
        draft = replace(Draft.of(action), **changes)
        rule = parse(draft, self._now, self._symbols.noted)
        verdict.draft = draft
        verdict.anew = edit(action, draft, rule, self._portfolio(draft, rule), self._now, self._who)
        if not verdict.anew:
            action.runtime_state |= self._best(action)  # what led to it is replaced with its watch
        if action.status == Action.Statuses.ACTIVE and changes.keys() - UNWATCHED:
            verdict.rule = rule

    def _move(self, status: Status, verdict: Verdict, action: Action) -> None:
        if status is Status.ACTIVE:
            verdict.rule = resume(
                action, self._now, f"Resumed by {self._who}: its trigger has started anew."
            )
            verdict.anew = True
        else:
            reason = f"{status.capitalize()} by {self._who}."
            end_watch(action, status, reason, self._best(action), self._now)
            verdict.rule, verdict.anew, verdict.ended = None, False, True

    def _best(self, action: Action) -> Mapping[str, Any]:
        """What the mark says that has kept the rule's best price."""
        turn = self._turns.get(action.pk)
        return turn.state if turn else {}

    def _portfolio(self, draft: Draft, rule: Rule) -> Portfolio | None:
        if draft.portfolio_id is not None:
            return self._portfolios[str(draft.portfolio_id)]
        return self._primary() if has_portfolio(rule) else None

    def _refuse_symbols(self, verdicts: Iterable[Verdict]) -> None:
        """Turns those into errors whose symbols no rule may name."""
        refused = self._symbols.refused()
        if not refused:
            return
        for verdict in verdicts:
            if verdict.draft is None or verdict.outcome is Outcome.ERROR:
                continue
            try:
                parse(verdict.draft, self._now, _refusing(refused))
            except InvalidRule as invalid:
                verdict.outcome = Outcome.ERROR
                _fault(verdict, invalid.errors)


class _Symbols:
    """Which symbols no rule may name: asked for a thousand lines at once, each symbol once."""

    def __init__(self, admits: Admits) -> None:
        self._admits = admits
        self._asked: set[str] = set()
        self._new: set[str] = set()
        self._refused: dict[str, Sequence[Listing]] = {}

    def noted(self, *, symbols: Collection[str]) -> Mapping[str, Sequence[Listing]]:
        self._new |= set(symbols) - self._asked
        return {}

    def refused(self) -> Mapping[str, Sequence[Listing]]:
        if self._new:
            self._refused |= self._admits(symbols=sorted(self._new))
            self._asked |= self._new
            self._new = set()
        return self._refused


def _refusing(refused: Mapping[str, Sequence[Listing]]) -> Admits:
    def admits(*, symbols: Collection[str]) -> Mapping[str, Sequence[Listing]]:
        return {symbol: refused[symbol] for symbol in symbols if symbol in refused}

    return admits


def _differing(wanted: Mapping[str, Any], action: Action) -> dict[str, Any]:
    """Those of the settings that are given which the rule has otherwise."""
    return {
        name: value
        for name, value in wanted.items()
        if name != "external_id" and not _same(name, value, wanted, action)
    }


def _same(name: str, value: Any, wanted: Mapping[str, Any], action: Action) -> bool:
    stored = getattr(action, name)
    if value == stored or (not value and not stored):
        return True
    match name:
        case "symbol":
            return bool(value) and value.strip().upper() == stored
        case "valid_until":
            return value is not None and instant_of(value) == stored
        case "trigger_params":
            understood = stored_params(parse_trigger(wanted["trigger_type"], value))
            return bool(understood == stored)
        case "action_params":
            sizes = {
                size: wanted.get(size, getattr(action, size)) for size in ("quantity", "amount_usd")
            }
            given = {size: number for size, number in sizes.items() if number is not None}
            effect = parse_effect(wanted["action_type"], sizes=given, params=value)
            return bool(stored_params(effect) == stored)
    return False


def _as_id(name: str) -> UUID | None:
    try:
        id = UUID(name)
    except ValueError:
        return None
    return id if str(id) == name else None


def _fault(verdict: Verdict, errors: Mapping[str, str]) -> None:
    verdict.faults += [
        Fault(verdict.line, shortened(path), words) for path, words in errors.items()
    ]
