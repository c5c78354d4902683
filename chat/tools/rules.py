"""Rules: listed, paused and let go on, tried, explained."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StrictInt

from actions.fields import Price
from actions.lifecycle import TransitionRefused
from actions.models import Action
from actions.parts import InvalidRule
from actions.registry import action_types, trigger_types
from actions.rules import Status
from actions.selectors import actions_of, executions_of, explain, owned_action, why_in_words
from actions.services import pause_action as pause
from actions.services import resume_action as resume
from actions.simulate import MadeUp, simulate_action
from actions.why import Distance
from chat.tools.base import Arguments, sentence_of
from chat.tools.proposing import OneRule, RuleIds, unique
from chat.turn import Asker, Told, ToolError
from market.quotes import VOLUME_MAX
from market.selectors import latest_quotes
from portfolios.money import format_price
from rest.bodies import Instant

SHOWN = 20

_Status: Any = Literal[tuple(status.value for status in Status)]
_ActionType: Any = Literal[tuple(sorted(action_types()))]
_TriggerType: Any = Literal[tuple(sorted(trigger_types()))]
_COLUMNS = ("status", "action_type", "trigger_type", "rehearsal")


class Filters(Arguments):
    """Which rules; what is left out is not asked for."""

    status: _Status | None = None
    symbol: str | None = None
    action_type: _ActionType | None = None
    trigger_type: _TriggerType | None = None
    rehearsal: bool | None = Field(None, description="true: those that trade nothing.")
    executed_since: Instant | None = Field(None, description="Those that fired from then on.")
    created_since: Instant | None = None
    executed: bool | None = Field(None, description="true: those that have fired.")


class Trial(Arguments):
    action_id: UUID = Field(description="The rule's id, as list_actions gives it.")
    price: Price | None = Field(None, description="Of the symbol it watches; null: as it is.")
    previous_close: Price | None = None
    volume: Annotated[StrictInt, Field(ge=0, le=VOLUME_MAX)] | None = None


def list_actions(asker: Asker, given: Filters) -> Told:
    asked = given.model_dump(exclude_none=True)
    actions = actions_of(user=asker.user).filter(
        **{name: asked[name] for name in _COLUMNS if name in asked}
    )
    if symbol := asked.get("symbol"):
        actions = actions.filter(symbol=symbol.strip().upper())
    if since := asked.get("created_since"):
        actions = actions.filter(created_at__gte=since)
    fired_since = asked.get("executed_since")
    if fired_since or asked.get("executed"):
        return _fired(asker, actions.values_list("pk", flat=True), fired_since)
    found = list(actions[: SHOWN + 1])
    if not found:
        return Told("There are no rules that fit.", {"rules": []})
    lines = [f"- {sentence_of(each, asker)} ({each.status})" for each in found[:SHOWN]]
    more = f"\nThese are the first {SHOWN}; there are more." if len(found) > SHOWN else ""
    told = [_told(each, asker) for each in found[:SHOWN]]
    return Told("\n".join(lines) + more, {"rules": told, "more": len(found) > SHOWN})


def pause_action(asker: Asker, given: RuleIds) -> Told:
    done = [
        sentence_of(_moved(asker, each, paused=True), asker) for each in unique(given.action_ids)
    ]
    return Told(f"Paused: {' '.join(done)}", {"paused": done}, done=True)


def resume_action(asker: Asker, given: RuleIds) -> Told:
    done = [
        sentence_of(_moved(asker, each, paused=False), asker) for each in unique(given.action_ids)
    ]
    return Told(f"Active again, each starting anew: {' '.join(done)}", {"active": done}, done=True)


def simulate(asker: Asker, given: Trial) -> Told:
    market = MadeUp(
        at=asker.now,
        price=given.price,
        previous_close=given.previous_close,
        volume=given.volume,
    )
    tried = simulate_action(user=asker.user, action_id=given.action_id, market=market)
    answer = "It would fire" if tried.would_fire else "It would not fire"
    words = [f"{answer}: {tried.reason}"]
    words += [
        f"It would {entry.kind} {abs(entry.quantity or Decimal(0)).normalize():f} {entry.symbol} "
        f"at {format_price(entry.price or Decimal(0))}."
        for entry in tried.entries
    ]
    if tried.refusal:
        words.append(f"The trade would be refused: {tried.refusal.message}")
    text = " ".join(words)
    return Told(text, {"would_fire": tried.would_fire, "text": text})


def explain_action(asker: Asker, given: OneRule) -> Told:
    action = owned_action(user=asker.user, action_id=given.action_id)
    quotes = latest_quotes(symbols={action.symbol} if action.symbol else set())
    why = explain(actions=[action], quotes=quotes, now=asker.now)[action.pk]
    reason = why_in_words(action, why, asker.user.zone)
    shut = [gate.reason for gate in why.gates if not gate.open]
    words = [sentence_of(action, asker), reason, *(_way(why.distance) if why.distance else ())]
    return Told(
        "\n".join(words),
        {"rule": _told(action, asker), "why": reason, "gates_shut": shut},
    )


def _way(distance: Distance) -> Sequence[str]:
    way = format_price(abs(distance.to_go))
    return (f"{distance.symbol} is at {format_price(distance.price)}, {way} to go.",)


def _fired(asker: Asker, ids: Any, since: datetime | None) -> Told:
    fired = executions_of(user=asker.user).filter(action__in=ids)
    if since:
        fired = fired.filter(triggered_at__gte=since)
    found = list(fired[:SHOWN])
    if not found:
        return Told("None of your rules has fired in that time.", {"executions": []})
    told = [
        {
            "at": each.triggered_at.isoformat(),
            "status": each.execution_status,
            "rehearsal": each.rehearsal,
            "summary": str(each.details.get("summary", "")),
            "action_id": str(each.action_id),
        }
        for each in found
    ]
    lines = [f"- {each['summary']} ({each['status']})" for each in told]
    return Told("\n".join(lines), {"executions": told})


def _moved(asker: Asker, action_id: UUID, *, paused: bool) -> Action:
    move = pause if paused else resume
    try:
        return move(user=asker.user, action_id=action_id, now=asker.now)
    except (TransitionRefused, InvalidRule) as refused:
        raise ToolError(str(refused)) from None


def _told(action: Action, asker: Asker) -> dict[str, Any]:
    """A rule for a model. Notes are the user's data, and no more."""
    return {
        "action_id": str(action.pk),
        "sentence": sentence_of(action, asker),
        "status": action.status,
        "status_reason": action.status_reason,
        "rehearsal": action.rehearsal,
        "executions": action.executions_count,
        "notes": action.notes,
    }
