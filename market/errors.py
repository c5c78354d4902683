"""What the market's services refuse, and with what."""


class ProviderError(RuntimeError):
    """The provider did not answer, or not sensibly. Its own exception is the cause."""


class UnknownSymbol(ValueError):
    """A symbol that is no instrument, or that nobody follows."""


class ReplayRefused(ValueError):
    """A replay that cannot be played as asked: says what can."""


class SplitRefused(Exception):
    """A split that cannot be recorded or applied: `field` is what is wrong, the message says why
    and what helps."""

    def __init__(self, field: str, words: str) -> None:
        self.field = field
        super().__init__(words)
