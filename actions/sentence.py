"""Every rule as one plain sentence, the same wherever a rule is shown. Pure."""

from datetime import datetime
from zoneinfo import ZoneInfo

from actions.rules import Rule

REHEARSAL = "Rehearsal: "

_EACH = {60: "a minute", 3_600: "an hour", 86_400: "a day"}


def sentence(rule: Rule, zone: ZoneInfo) -> str:
    """The rule in words, with its times in `zone`; that of a rehearsal begins with REHEARSAL.

    Such as "Sell 10 AAPL when the price is at or below $150.00, once, until Fri 27 Nov 2026 16:00
    New York."
    """
    does = f"{rule.effect.describe(rule.symbol)} {rule.trigger.describe(rule.symbol)}"
    limits = limits_in_words(
        max_executions=rule.max_executions,
        cooldown_seconds=rule.cooldown_seconds,
        valid_until=rule.valid_until,
        zone=zone,
    )
    return f"{REHEARSAL if rule.rehearsal else ''}{does}, {limits}."


def limits_in_words(
    *,
    max_executions: int | None,
    cooldown_seconds: int | None,
    valid_until: datetime | None,
    zone: ZoneInfo,
) -> str:
    """How often and for how long: "up to 3 times, at most once every 2 h, until Fri 27 ..."."""
    words = _how_often(max_executions, cooldown_seconds)
    return f"{words}, until {in_zone(valid_until, zone)}" if valid_until else words


def in_zone(instant: datetime, zone: ZoneInfo) -> str:
    """An instant with the city that names its zone: "Fri 27 Nov 2026 16:00 New York"."""
    local = instant.astimezone(zone)
    city = zone.key.rpartition("/")[2].replace("_", " ")
    return f"{local:%a} {local.day} {local:%b %Y %H:%M} {city}"


def duration(seconds: int) -> str:
    """A span in its largest whole unit: "90 s", "5 min", "2 h", "3 days"."""
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            count = seconds // size
            return f"{count} {'day' if unit == 'days' and count == 1 else unit}"
    return f"{seconds} s"


def _how_often(max_executions: int | None, cooldown_seconds: int | None) -> str:
    if max_executions == 1:
        return "once"
    times = "every time" if max_executions is None else f"up to {max_executions} times"
    if cooldown_seconds:
        each = _EACH.get(cooldown_seconds) or f"every {duration(cooldown_seconds)}"
        times += f", at most once {each}"
    return times
