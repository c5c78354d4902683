"""The market of a rule that is being written: asked for where nobody has followed it yet."""

from datetime import datetime, timedelta

from actions.alarm import take_in_and_call
from actions.drafting import parse
from actions.parts import InvalidRule
from actions.wizard.outline import Outline
from actions.wizard.past import YEAR
from market.services import admit, look_soon

PATIENCE = timedelta(seconds=2)  # of somebody who opens a page


def look_up(*, outline: Outline, charted: bool, now: datetime) -> None:
    """Has the feed asked for each symbol that has no price at all, and where the page has a chart
    for the past that is missing; waits a moment for it.

    However often a page is opened, the feed is asked once.
    """
    unpriced = outline.symbols.difference(outline.quotes)
    unknown = admit(symbols=sorted(unpriced)) if unpriced else {}
    asked = sorted(unpriced.difference(unknown))
    look_soon(
        unpriced=asked,
        charted=sorted(outline.symbols.difference(unknown)) if charted else (),
        sessions=_sessions(outline, now),
        now=now,
        take_in=take_in_and_call,
        patience=PATIENCE,
    )
    if asked:
        del outline.quotes  # they are read anew


def _sessions(outline: Outline, now: datetime) -> int:
    """How many the chart and the look at the last year take."""
    draft = outline.draft()
    try:
        rule = parse(draft, now, lambda *, symbols: {}) if draft else None
    except InvalidRule:
        rule = None
    return YEAR + 1 + (rule.trigger.needs(rule).sessions if rule else 0)
