"""What a page of the wizard shows: its form, the sentence so far, and what helps to decide."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from accounts.models import User
from actions.models import RuleDraft
from actions.pages.chart import chart_of_draft
from actions.parts import InvalidRule, Part
from actions.registry import action_types, trigger_types
from actions.wizard.forecast import Forecast, forecast
from actions.wizard.outline import ASKING, Outline, Page
from actions.wizard.part_form import MEASURE, MEASURED_IN, Spoken
from actions.wizard.sentence import pieces
from actions.wizard.trial import Trial, trial
from market.models import Instrument
from market.quotes import Sample
from portfolios.selectors import snapshots

TITLES = {
    Page.ACTION: ("Action", "What is to happen?"),
    Page.TARGET: ("Target", "To what, and how much?"),
    Page.TRIGGER: ("Trigger", "When is it to happen?"),
    Page.CONDITION: ("Trigger", "What does it wait for?"),
    Page.LIMITS: ("Limits", "How often, and for how long?"),
    Page.REVIEW: ("Review", "Is this what you mean?"),
}
_STEPS = tuple(page for page in Page if page is not Page.CONDITION)
_PICTURES = {
    "BUY": "buy",
    "SELL": "sell",
    "NOTIFY": "bell",
    "REBALANCE": "rebalance",
    "time_of_day": "clock",
    "trailing_stop": "trail",
    "change_pct": "percent",
    "ma_cross": "wave",
    "volume_above": "bars",
    "price_above": "up",
    "price_below": "down",
    "drift": "rebalance",
    "from_cost": "portfolio",
}


@dataclass(frozen=True, slots=True)
class Card:
    """A choice, as components/choices.html shows it."""

    value: str
    title: str
    help: str
    picture: str


@dataclass(frozen=True, slots=True)
class Step:
    """A step, as components/steps.html shows it."""

    label: str
    url: str
    done: bool
    here: bool


@dataclass(frozen=True, slots=True)
class Means:
    """What one symbol is, and what there is to trade it with."""

    symbol: str
    name: str
    quote: Sample | None
    held: Decimal | None
    cash: Decimal | None
    affordable: Decimal | None


def context_of(
    *,
    user: User,
    page: Page,
    draft: RuleDraft,
    outline: Outline,
    now: datetime,
    url: Callable[[Page], str],
    wrong: Mapping[str, str],
    form: object = None,
) -> dict[str, object]:
    """All that actions/wizard/page.html takes. `form` is one that was found wrong."""
    asked = outline.form(page) if page in ASKING else None
    if asked is not None and not asked.is_bound:
        outline = outline.with_answers(page, asked.typed())
    label, question = TITLES[page]
    return {
        "zone": user.zone,
        "now": now,
        "page": page,
        "draft": draft,
        "is_kept": not draft._state.adding,
        "title": question,
        "step_name": label,
        "steps": _steps(page, outline, url),
        "form": form or asked,
        "cards": _cards(page, outline),
        "measured": (MEASURE, MEASURED_IN),
        "pieces": pieces(outline),
        "back": page.before,
        "may_review": page is not Page.LIMITS and all(map(outline.is_answered, ASKING)),
        "trigger_summary": outline.trigger.summary if outline.trigger else "",
        "choose_url": url(Page.TRIGGER),
        **({"means": _means(outline)} if page is Page.TARGET else {}),
        **_verdict(user, page, outline, now, url, wrong),
    }


def _steps(page: Page, outline: Outline, url: Callable[[Page], str]) -> Sequence[Step]:
    steps = []
    for each in _STEPS:
        parts = (Page.TRIGGER, Page.CONDITION) if each is Page.TRIGGER else (each,)
        leads_to = Page.CONDITION if each is Page.TRIGGER and outline.trigger else each
        done = each in ASKING and all(map(outline.is_answered, parts))
        reachable = outline.reachable(leads_to) and (
            each is not Page.REVIEW or bool(outline.action_type)
        )
        steps.append(Step(TITLES[each][0], url(leads_to) if reachable else "", done, page in parts))
    return steps


def _cards(page: Page, outline: Outline) -> Sequence[Card]:
    """The big choices of a page that has some."""
    kinds: Mapping[str, type[Part]] = {}
    if page is Page.ACTION:
        kinds = action_types()
    elif page is Page.TRIGGER:
        kinds = trigger_types()
    else:
        return ()
    form = outline.form(page)
    (field,) = form.fields.values()
    return [
        Card(key, kinds[key].title, kinds[key].summary, _PICTURES.get(key, "target"))
        for key, _ in field.choices  # type: ignore[attr-defined]
    ]


def _means(outline: Outline) -> Means | None:
    """Of the symbol that was typed, if there is such a one."""
    symbol = outline.symbol
    instrument = Instrument.objects.filter(pk=symbol).first() if symbol else None
    if instrument is None or symbol is None:
        return None
    quote = outline.quotes.get(symbol)
    typed = (outline.answers.get(Page.TARGET, {}).get("portfolio_id") or [""])[0]
    mine = {str(one.pk): one for one in outline.asker.portfolios}
    portfolio = mine.get(typed) or next(iter(outline.asker.portfolios), None)
    if portfolio is None:
        return Means(symbol, instrument.name, quote, None, None, None)
    standing = snapshots(portfolio_ids=[portfolio.pk])[portfolio.pk]
    affordable = standing.cash // quote.price if quote else None
    held = standing.position(symbol).quantity
    return Means(symbol, instrument.name, quote, held, standing.cash, affordable)


def _verdict(
    user: User,
    page: Page,
    outline: Outline,
    now: datetime,
    url: Callable[[Page], str],
    wrong: Mapping[str, str],
) -> dict[str, object]:
    """What would come of it, as soon as it can be said; on the last page what is missing, too."""
    if page not in {Page.CONDITION, Page.REVIEW}:
        return {}
    draft = outline.draft()
    tried: Trial | None = None
    found: Forecast | None = None
    if draft is not None:
        try:
            tried = trial(
                user=user, draft=draft, asker=outline.asker, quotes=outline.quotes, now=now
            )
            found = forecast(tried)
        except InvalidRule as invalid:
            wrong = {**invalid.errors, **wrong}
    if page is not Page.REVIEW:
        chart = chart_of_draft(outline=outline, tried=tried, now=now)
        return {"forecast": found, "chart": chart}
    open_pages = [page for page in ASKING if not outline.is_answered(page)]
    missing = [(url(page), TITLES[page][1]) for page in open_pages if outline.reachable(page)]
    return {"forecast": found, "missing": missing, "wrong": _where(outline, wrong, url)}


def _where(
    outline: Outline, wrong: Mapping[str, str], url: Callable[[Page], str]
) -> Sequence[tuple[str, str]]:
    """Each thing that is wrong, with the page on which it is said."""
    found = []
    for path, words in wrong.items():
        pages = (
            page for page in ASKING if outline.reachable(page) and _says(outline.form(page), path)
        )
        place = next(pages, None)
        found.append((url(place) if place else "", words))
    return found


def _says(form: Spoken, path: str) -> bool:
    return form.field_of(path) is not None
