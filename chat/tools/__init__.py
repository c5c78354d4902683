"""Everything that the chat can do, for a model and for the reader of plain words alike.

Each tool works for the user who asks, by the services and selectors that the pages and the API use.
What a model sends cannot add a tool, name another user, or do what is only proposed.
"""

import json
from collections.abc import Mapping
from io import BytesIO
from typing import Any

from actions.models import Action
from actions.parts import InvalidRule
from chat.tools import market, proposing, rules
from chat.tools.base import Tool, shaped
from chat.tools.schemas import without_nulls
from chat.turn import Asker, Told, ToolError
from rest.parsing import StrictJson
from rest.problems import Problem

_ALL: tuple[Tool[Any], ...] = (
    Tool(
        "create_action",
        "Proposes a new rule. The user sees it on a card and decides.",
        proposing.NewRuleArguments,
        proposing.create_action,
    ),
    Tool(
        "list_actions",
        "The user's rules with their ids, or what they did.",
        rules.Filters,
        rules.list_actions,
    ),
    Tool(
        "update_action",
        "Proposes other values for a rule; what is null stays as it is. effect and trigger are "
        "replaced whole. The user sees a card and decides.",
        proposing.ChangeArguments,
        proposing.update_action,
    ),
    Tool("pause_action", "Pauses rules.", proposing.RuleIds, rules.pause_action),
    Tool(
        "resume_action",
        "Lets paused or failed rules go on.",
        proposing.RuleIds,
        rules.resume_action,
    ),
    Tool(
        "cancel_action",
        "Proposes to end rules for good. The user sees a card and decides.",
        proposing.RuleIds,
        proposing.cancel_action,
    ),
    Tool(
        "execute_now",
        "Proposes to execute a rule at the price of now. The user sees a card and decides.",
        proposing.OneRule,
        proposing.execute_now,
    ),
    Tool(
        "simulate",
        "Tries a rule on a market that is made up, and changes nothing.",
        rules.Trial,
        rules.simulate,
    ),
    Tool("explain", "Why a rule has, or has not, fired.", proposing.OneRule, rules.explain_action),
    Tool("get_portfolio", "Cash and holdings.", market.Nothing, market.get_portfolio),
    Tool("get_quote", "The last prices of symbols.", market.Symbols, market.get_quote),
    Tool(
        "get_market_context",
        "Whether the market is open, what moves of what concerns the user, how old prices are.",
        market.Nothing,
        market.get_market_context,
    ),
    Tool("search_symbol", "Symbols by a company's name.", market.Named, market.search_symbol),
)
TOOLS: Mapping[str, Tool[Any]] = {tool.name: tool for tool in _ALL}


def call(name: str, arguments: Mapping[str, Any], asker: Asker) -> Told:
    """What the tool says. Raises ToolError for a tool or for arguments that cannot be."""
    tool = TOOLS.get(name)
    if tool is None:
        raise ToolError(f"There is no tool “{name[:40]}”. There are: {', '.join(TOOLS)}.")
    try:
        return tool.run(asker, shaped(tool.takes, without_nulls(arguments)))
    except InvalidRule as invalid:
        raise ToolError(str(invalid)) from None
    except Action.DoesNotExist:
        raise ToolError("There is no such rule. list_actions gives the ids.") from None


def read_arguments(text: str) -> Mapping[str, Any]:
    """A model's arguments, read as strictly as a body of the API. Raises ToolError."""
    try:
        StrictJson().parse(BytesIO((text or "{}").encode()))
    except Problem as problem:
        raise ToolError(f"The arguments cannot be used. {problem.detail}") from None
    except UnicodeEncodeError:
        raise ToolError("The arguments are no text. Send a JSON object.") from None
    read = json.loads(text or "{}", parse_float=str)  # what is stored has no Decimal
    if not isinstance(read, dict):
        raise ToolError("Send a JSON object with the arguments.")
    return read
