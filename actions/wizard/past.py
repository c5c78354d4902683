"""How often a rule would have fired, had it been there."""

from datetime import datetime

from actions.rules import Rule


def fired_in_the_last_year(rule: Rule, now: datetime) -> int | None:
    """How many times; None where there is no past to play it over, and nothing can be said.

    The recorded sessions are not played to rules yet: a number is shown where one can be told.
    """
    return None
