"""Rules, what they did and what was told, for support: looked at here, changed by services only."""

from actions.admin import backtests, executions, rules, splits, telling

__all__ = ["backtests", "executions", "rules", "splits", "telling"]
