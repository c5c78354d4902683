"""Reads what people type about their rules, without a model and without guessing."""

from chat.phrases.reader import read
from chat.phrases.understood import Intent, KnownRule, Understood

__all__ = ["Intent", "KnownRule", "Understood", "read"]
