"""What an API token is good for: its scope, and that which an operation asks for."""

from enum import StrEnum


class Scope(StrEnum):
    """How much a token may do. Each includes those before it."""

    READ = "read"
    RULES = "rules"
    TRADE = "trade"

    def includes(self, asked: "Scope") -> bool:
        scopes = list(Scope)
        return scopes.index(self) >= scopes.index(asked)


def scope_of(view: object, method: str) -> Scope | None:
    """The scope that a method of a view asks for, as `rest.schema.described` has it. None: no API
    token opens it."""
    scope: Scope | None = getattr(getattr(view, method.lower(), None), "scope", None)
    return scope
