"""Answers by the reader of plain words, without a model: the same tools, behind the same door."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from actions.models import Action
from actions.parts import InvalidRule
from actions.selectors import owned_action
from chat import tools
from chat.knowledge import knowledge_of
from chat.phrases import Intent, Understood, read
from chat.phrases.adding import added
from chat.tools.proposing import propose_change, propose_rule
from chat.turn import Asker, Said, Told, ToolError, Turn

_OF_RULES = frozenset({Intent.PAUSE, Intent.RESUME, Intent.CANCEL})  # that take several rules
# "What is the symbol of Microsoft?", "Microsoft's ticker".
_NAMED = re.compile(
    r"\b(?:ticker|symbol)s?\s+(?:of|for)\s+(.+?)\W*$"
    r"|\b([\w&. -]+?)['\u2019]s\s+(?:ticker|symbol)",
    re.I,
)
_OF_A_RULE = frozenset({Intent.EXECUTE, Intent.SIMULATE, Intent.EXPLAIN})


def reply(asker: Asker, history: Sequence[Said], text: str) -> Turn:
    """Understands `text` fully, or asks what is missing.

    Of what was said before only a text counts that it has just asked about: `text` may add what was
    missing there.
    """
    understood = _understood(asker, history, text)
    try:
        told = _carried_out(understood, asker)
    except (ToolError, InvalidRule) as refused:
        return Turn(text=str(refused))
    except Action.DoesNotExist:
        return Turn(text="You have no such rule.")
    if told is None:
        return Turn(text=understood.text)
    called = {"name": understood.intent.value, "arguments": understood.as_json()["args"]}
    return Turn(
        text=_words(understood, told),
        wanted=[told.wanted] if told.wanted else [],
        calls=[called],
    )


def _understood(asker: Asker, history: Sequence[Said], text: str) -> Understood:
    known = knowledge_of(user=asker.user)

    def taken(said: str) -> Understood:
        return read(said, now=asker.now, **known)

    understood = taken(text)
    before = next((said.text for said in reversed(history) if said.role == "user"), "")
    if understood.intent is not Intent.ASK or not before:
        return understood
    asked = taken(before)
    if asked.intent is not Intent.ASK:
        return understood
    return added(before, asked.text, text, taken)


def _carried_out(understood: Understood, asker: Asker) -> Told | None:
    """What the tool says that is meant; None where there is only something to say."""
    said = understood.as_json()
    args: dict[str, Any] = said["args"]
    intent = understood.intent
    if intent is Intent.CREATE:
        return propose_rule(asker, said["action"])
    if intent is Intent.UPDATE:
        return _changed(asker, args)
    if intent is Intent.LIST:
        return tools.call("list_actions", args, asker)
    if intent in _OF_RULES:
        ids = args.get("action_ids") or [args["action_id"]]
        return tools.call(intent.value, {"action_ids": ids}, asker)
    if intent in _OF_A_RULE and "action_id" in args:
        return tools.call(intent.value, _of_a_rule(args), asker)
    if intent is Intent.ANSWER and "tool" in args:
        return tools.call(args["tool"], _asked(args), asker)
    return None


def _changed(asker: Asker, args: Mapping[str, Any]) -> Told:
    """The reader names the parameters that change; the others stay."""
    action_id, patch = UUID(args["action_id"]), dict(args["patch"])
    if params := patch.get("trigger_params"):
        action = owned_action(user=asker.user, action_id=action_id)
        patch["trigger_params"] = {**action.trigger_params, **params}
    return propose_change(asker, action_id, patch)


def _of_a_rule(args: Mapping[str, Any]) -> dict[str, Any]:
    prices = args.get("prices")
    if prices is None:
        return {"action_id": args["action_id"]}
    price = next(iter(prices.values())) if isinstance(prices, Mapping) else prices
    return {"action_id": args["action_id"], "price": price}


def _asked(args: Mapping[str, Any]) -> dict[str, Any]:
    if "text" in args and (named := _NAMED.search(args["text"])):
        return {"text": named[1] or named[2]}
    taken = tools.TOOLS[args["tool"]].takes.model_fields
    return {name: value for name, value in args.items() if name in taken}


def _words(understood: Understood, told: Told) -> str:
    if told.wanted:
        return "This is what I understood. Nothing happens before you confirm it."
    if understood.intent in (Intent.ANSWER, Intent.LIST):
        return f"{understood.text}\n{told.text}"
    return told.text
