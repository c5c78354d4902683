"""What is only proposed: new rules, changes, ends and executions wait for the user's own hand."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, StrictBool, StrictInt, WithJsonSchema

from actions.api.shapes import NewRule, RuleChanges
from actions.drafting import Draft, parse
from actions.lifecycle import TransitionRefused, check_transition
from actions.models import Action
from actions.registry import SIZE_COLUMNS, action_types, trigger_types
from actions.rows import version_of
from actions.rules import Status
from actions.selectors import owned_action
from actions.sentence import sentence
from actions.services import EditRefused
from chat.facts import Facts, facts_of
from chat.models import Proposal
from chat.prices import bring
from chat.tools.base import Arguments, sentence_of, shaped
from chat.tools.schemas import from_lists, one_of
from chat.turn import Asker, Told, ToolError, Wanted

MOST_RULES = 50  # that one call can end, pause or let go on
_UNLIMITED = 0
_Part = dict[str, Any]
_Effect = Annotated[_Part, WithJsonSchema(one_of("action_type", action_types()))]
_Trigger = Annotated[_Part, WithJsonSchema(one_of("trigger_type", trigger_types()))]
_Clearable = Annotated[
    list[str],
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": "string", "enum": ["valid_until", "cooldown_seconds", "notes"]},
            "description": "Fields to be emptied.",
        }
    ),
]


class RuleIds(Arguments):
    action_ids: Annotated[list[UUID], Field(min_length=1, max_length=MOST_RULES)] = Field(
        description="The ids of the rules, as list_actions gives them."
    )


class OneRule(Arguments):
    action_id: UUID = Field(description="The rule's id, as list_actions gives it.")


class _Limits(Arguments):
    symbol: str | None = Field(None, description="What is traded, or else watched.")
    valid_from: str | None = Field(None, description="An instant with its offset.")
    valid_until: str | None = Field(
        None, description="An instant with its offset, or a day: then that day's close."
    )
    max_executions: StrictInt | None = Field(
        None, description="How often it may fire: by default once. 0: any number of times."
    )
    cooldown_seconds: StrictInt | None = None
    notes: str | None = None


class NewRuleArguments(_Limits):
    effect: _Effect
    trigger: _Trigger
    rehearsal: StrictBool = Field(False, description="true: it is told, and trades nothing.")


class ChangeArguments(_Limits):
    action_id: UUID = Field(description="The rule's id, as list_actions gives it.")
    effect: _Effect | None = None
    trigger: _Trigger | None = None
    clear: _Clearable | None = None


def create_action(asker: Asker, given: NewRuleArguments) -> Told:
    return propose_rule(asker, _body(given))


def update_action(asker: Asker, given: ChangeArguments) -> Told:
    cleared = dict.fromkeys(given.clear or ())
    return propose_change(asker, given.action_id, _body(given) | cleared)


def cancel_action(asker: Asker, given: RuleIds) -> Told:
    actions = [owned_action(user=asker.user, action_id=each) for each in unique(given.action_ids)]
    for action in actions:
        try:
            check_transition(Status(action.status), Status.CANCELLED)
        except TransitionRefused as refused:
            raise ToolError(str(refused)) from None
    sentences = " ".join(sentence_of(action, asker) for action in actions)
    return _proposed(
        Wanted(
            intent=Proposal.Intents.CANCEL.value,
            sentence=f"End for good: {sentences}",
            payload={"action_ids": [str(action.pk) for action in actions]},
        )
    )


def execute_now(asker: Asker, given: OneRule) -> Told:
    action = owned_action(user=asker.user, action_id=given.action_id)
    if action.status != Action.Statuses.ACTIVE:
        raise ToolError(f"The rule is {action.status}: only an active one can be executed.")
    return _proposed(
        Wanted(
            intent=Proposal.Intents.EXECUTE.value,
            sentence=f"Execute now, whatever it waits for: {sentence_of(action, asker)}",
            payload={"action_ids": [str(action.pk)], "rehearsal": action.rehearsal},
            facts=_facts(asker, Draft.of(action)).as_json(),
        )
    )


def propose_rule(asker: Asker, body: Mapping[str, Any]) -> Told:
    """A new rule with the fields of the API. Raises ToolError, InvalidRule."""
    draft = shaped(NewRule, body).draft()
    facts = _facts(asker, draft)
    return _proposed(
        Wanted(
            intent=Proposal.Intents.CREATE.value,
            sentence=_sentence(asker, draft),
            payload={"action": dict(body)},
            facts=facts.as_json(),
        )
    )


def propose_change(asker: Asker, action_id: UUID, changes: Mapping[str, Any]) -> Told:
    """Other values for fields of the API. Raises ToolError, InvalidRule, Action.DoesNotExist."""
    action = owned_action(user=asker.user, action_id=action_id)
    given = shaped(RuleChanges, changes).given()
    if not given or "status" in given:
        raise ToolError("Say what shall be different about the rule.")
    if action.status in (Action.Statuses.COMPLETED, Action.Statuses.CANCELLED):
        raise ToolError(str(EditRefused(f"The rule is {action.status}, and stays as it was.")))
    draft = replace(Draft.of(action), **given)
    facts = _facts(asker, draft)
    return _proposed(
        Wanted(
            intent=Proposal.Intents.UPDATE.value,
            sentence=f"{_sentence(asker, draft)}\nUntil now: {sentence_of(action, asker)}",
            payload={
                "action_id": str(action.pk),
                "version": version_of(action=action),
                "changes": dict(changes),
            },
            facts=facts.as_json(),
        )
    )


def unique(ids: Sequence[UUID]) -> list[UUID]:
    """Each once, in the order in which rules are locked."""
    return sorted(set(ids))


def _proposed(wanted: Wanted) -> Told:
    """Nothing has happened yet, and whoever called the tool is told so."""
    data = {
        "status": "not done: the user sees a card and decides",
        "sentence": wanted.sentence,
        **{key: wanted.facts[key] for key in ("state", "cost") if key in wanted.facts},
    }
    return Told(text=wanted.sentence, data=data, wanted=wanted)


def _sentence(asker: Asker, draft: Draft) -> str:
    return sentence(parse(draft, asker.now), asker.user.zone)


def _facts(asker: Asker, draft: Draft) -> Facts:
    bring(symbols=parse(draft, asker.now).symbols, now=asker.now)
    return facts_of(user=asker.user, draft=draft, now=asker.now)


def _body(given: NewRuleArguments | ChangeArguments) -> dict[str, Any]:
    """The fields of the API that are given."""
    sent = given.model_dump(exclude_unset=True, exclude={"action_id", "clear"})
    effect, trigger = sent.pop("effect", None), sent.pop("trigger", None)
    if sent.get("max_executions") == _UNLIMITED:
        sent["max_executions"] = None
    if effect is not None:
        name = str(effect.pop("action_type", ""))
        sent["action_type"] = name
        for size in SIZE_COLUMNS & effect.keys():
            sent[size] = effect.pop(size)
        sent["action_params"] = (
            from_lists(action_types()[name], effect) if (name in action_types()) else effect
        )
    if trigger is not None:
        sent["trigger_type"] = str(trigger.pop("trigger_type", ""))
        sent["trigger_params"] = trigger
    return sent
