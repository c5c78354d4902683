"""Rules, what they did and what was told, for support: looked at here, changed by services only."""

from actions.admin import backtests, executions, imports, rules, splits, telling, watching

__all__ = ["backtests", "executions", "imports", "rules", "splits", "telling", "watching"]
