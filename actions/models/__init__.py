"""The rules, what they did, what they wait for, and what is still to be told."""

from actions.models.action import Action
from actions.models.backtest import Backtest
from actions.models.census import Census
from actions.models.delivery import Delivery
from actions.models.execution import ActionExecution
from actions.models.history import ActionHistory
from actions.models.notification import Notification
from actions.models.preferences import Preferences
from actions.models.rule_draft import RuleDraft
from actions.models.tick import Tick, TickGap, TickHour
from actions.models.trouble import Trouble
from actions.models.waking import Waking
from actions.models.watch import Watch, WaterMark

__all__ = [
    "Action",
    "ActionExecution",
    "ActionHistory",
    "Backtest",
    "Census",
    "Delivery",
    "Notification",
    "Preferences",
    "RuleDraft",
    "Tick",
    "TickGap",
    "TickHour",
    "Trouble",
    "Waking",
    "Watch",
    "WaterMark",
]
