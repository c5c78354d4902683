"""By which words a text is an order about rules that there are. Pure."""

import re
from collections.abc import Mapping

from chat.phrases.understood import Intent, Question

_POLITE = (
    r"(?:(?:please|pls|hey|hi|hello|ok|okay|could you|can you|would you|will you|"
    r"i want to|i'd like to|"
    r"i would like to|just|kindly|go ahead and|now|and|also|let's|can i|could i|may i)[\s,]+)*"
)
_NOUNS = (
    r"rules?|alerts?|actions?|orders?|stops?|automations?|reminders?|triggers?|trailing|"
    r"limits?|notifications?"
)
_RULES = rf"(?:{_NOUNS})"

# The first that fits. What follows the verb is read as the rule that is meant.
_VERBS: tuple[tuple[Intent, str], ...] = (
    (Intent.SIMULATE, r"(?:simulate|preview|dry[- ]run|backtest|try out|test)\b"),
    (Intent.SIMULATE,
        r"(?:would|will|does|do)\s+(?=(?:my|the|any of my)\b.*\b(?:fire|trigger|sell|buy|"
        r"go off)\b.*\b(?:if|at|when)\b)"),
    (Intent.SIMULATE,
        r"what (?:would|will) (?=(?:my|the)\b.*\b" + _RULES + r"\b.*\b(?:if|at|when)\b)"),
    (Intent.EXPLAIN,
        r"(?:why|how come|explain why|explain|what happened (?:to|with)|"
        r"when will)\b(?=.*\b(?:" + _NOUNS + r"|fire|fired|firing|trigger|"
        r"triggered|go off|gone off|sell|sold|bought|buy|notif\w+|tell|told|executed?|pending|"
        r"waiting|failed|fail|paused?|work\w*|happen\w*)\b)"),
    (Intent.LIST,
        r"(?:show|list|display|view|see|give me|get|what are|what|which|do i have|"
        r"have i(?: got)?|how many|are there|is there|are any|have any|did any|did (?:my|the)|"
        r"find)\b(?=.*\b" + _RULES + r"\b)(?!.*\b(?:when|if)\b.*\d)"),
    (Intent.LIST,
        r"(?:my|all my|all|the) (?:active |paused |failed |completed |cancelled |"
        r"open )?(?:rules|alerts|actions|orders|stops)\s*[?.!]*$"),
    (Intent.LIST, r"what (?:has )?(?:fired|executed|triggered|been executed|did my rules do)\b"),
    (Intent.PAUSE,
        r"(?:pause|suspend|hold off on|put on hold|freeze|disable|deactivate|turn off|"
        r"switch off|mute|snooze)\b"),
    (Intent.RESUME,
        r"(?:resume|unpause|un-pause|restart|reactivate|re-enable|reenable|enable|continue|"
        r"turn (?:back )?on|switch (?:back )?on|activate|unfreeze)\b"),
    (Intent.CANCEL,
        r"(?:cancel|delete|remove|kill|scrap|abort|end|drop|get rid of|call off|withdraw|"
        r"discard|throw away|void)\b"
        r"(?=.*\b" + _RULES + r"\b|\s+(?:it|that|them|everything|all)\b)"),
    (Intent.EXECUTE,
        r"(?:execute|run|fire|trigger|force)\b(?=.*\b(?:" + _NOUNS + r"|it|now)\b)"),
    (Intent.UPDATE, r"(?:change|update|edit|modify|adjust)\b(?=.*\b" + _RULES + r"\b)"),
    (Intent.UPDATE,
        r"(?:(?:move|set|make|raise|lower|tighten|loosen|widen|increase|decrease|reduce|"
        r"extend|prolong|shorten|bump|switch)(?=\s+(?:my|the|our|that|this|its|"
        r"it)\b))\b(?=.*\b" + _RULES + r"\b.*\b(?:to|until|till|by|for)\b)"),
)  # fmt: skip
_STARTS = tuple(
    (intent, re.compile(rf"^\W*{_POLITE}(?P<verb>{pattern})", re.IGNORECASE))
    for intent, pattern in _VERBS
)
_STOP = re.compile(
    rf"^\W*{_POLITE}stop\b.*\b(?:rules?|alerts?|reminders?|automations?)\b(?!.*\bif\b)", re.I
)
STATUSES: Mapping[str, str] = {
    **dict.fromkeys(("active", "running", "live", "open", "enabled"), "active"),
    **dict.fromkeys(("paused", "suspended", "sleeping", "disabled"), "paused"),
    **dict.fromkeys(("completed", "done", "finished", "complete", "expired"), "completed"),
    **dict.fromkeys(("cancelled", "canceled", "deleted"), "cancelled"),
    **dict.fromkeys(("failed", "broken", "failing"), "failed"),
}

VERB_OF = {
    Intent.PAUSE: "pause",
    Intent.RESUME: "resume",
    Intent.CANCEL: "cancel",
    Intent.UPDATE: "change",
    Intent.EXECUTE: "execute",
    Intent.SIMULATE: "simulate",
    Intent.EXPLAIN: "explain",
}


def command(text: str) -> tuple[Intent, str] | None:
    """What shall be done with a rule, and the words that say with which; None for other texts.

    Raises Question for "stop my rule", which may mean two things.
    """
    if _STOP.match(text):
        raise Question("Shall I pause it, so that it can be resumed, or cancel it for good?")
    for intent, start in _STARTS:
        if found := start.match(text):
            return intent, text[found.end("verb") :]
    return None
