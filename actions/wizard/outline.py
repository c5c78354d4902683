"""A rule as far as it has been thought out: what was typed, step by step, and what it makes.

The steps are five; the third has two pages, one for the kind of trigger and one for what it waits
for. Of each page it keeps what was typed as it was typed, right or wrong.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Any

from django.db import transaction
from django.utils.datastructures import MultiValueDict

from accounts.models import User
from actions.drafting import Draft, parse, portfolio_of
from actions.parts import InvalidRule
from actions.registry import action_types, trigger_types
from actions.rules import Effect, Trigger
from actions.wizard.forms import (
    ActionForm,
    Asker,
    ConditionForm,
    LimitsForm,
    TargetForm,
    TriggerForm,
)
from actions.wizard.part_form import Answers, PartForm, Spoken, as_answers
from market.quotes import SYMBOL_PATTERN, Sample
from market.selectors import latest_quotes

LONGEST_ANSWER, MOST_ANSWERS = 2000, 60


class Page(StrEnum):
    """The pages in their order."""

    ACTION = "action"
    TARGET = "target"
    TRIGGER = "trigger"
    CONDITION = "condition"
    LIMITS = "limits"
    REVIEW = "review"

    @property
    def before(self) -> "Page | None":
        pages = list(Page)
        place = pages.index(self)
        return pages[place - 1] if place else None

    @property
    def after(self) -> "Page":
        pages = list(Page)
        return pages[min(pages.index(self) + 1, len(pages) - 1)]


ASKING = tuple(page for page in Page if page is not Page.REVIEW)

# A trigger that asks nothing of the rest: in the place of one that is not chosen yet.
_STAND_IN = {"trigger_type": "time_of_day", "trigger_params": {"time": "12:00"}}


class Outline:
    """`answers` are those of each page, by the names of the form's fields."""

    def __init__(self, answers: Mapping[str, Answers], asker: Asker) -> None:
        self.answers = {key: dict(typed) for key, typed in answers.items()}
        self.asker = asker

    def with_answers(self, page: Page, typed: Answers) -> "Outline":
        outline = Outline({**self.answers, self.key(page): typed}, self.asker)
        if "quotes" in vars(self) and outline.symbols == self.symbols:
            outline.quotes = self.quotes
        return outline

    def key(self, page: Page) -> str:
        """Where the page's answers are kept: those of each kind of trigger apart."""
        return f"{page}.{self.trigger_type}" if page is Page.CONDITION else str(page)

    # --- What has been chosen ---

    @cached_property
    def action_type(self) -> str:
        """Empty where none is chosen yet."""
        return self._chosen(ActionForm(self._data(Page.ACTION)), "action_type")

    @cached_property
    def effect_type(self) -> type[Effect] | None:
        return action_types().get(self.action_type)

    @cached_property
    def trigger_type(self) -> str:
        if self.effect_type is None:
            return ""
        form = TriggerForm(self.effect_type, self._data(Page.TRIGGER))
        return self._chosen(form, "trigger_type")

    @cached_property
    def trigger(self) -> type[Trigger] | None:
        return trigger_types().get(self.trigger_type)

    @cached_property
    def symbol(self) -> str | None:
        """The rule's own symbol, as it was typed."""
        typed = self.answers.get(Page.TARGET, {}).get("symbol") or [""]
        return typed[0].strip().upper() or None

    @property
    def watched(self) -> str | None:
        """The symbol that the trigger watches, if it watches one and it was typed."""
        if self.trigger is None or "symbol" not in self.trigger.model_fields:
            return None
        typed = self.answers.get(self.key(Page.CONDITION), {}).get("symbol") or [""]
        return typed[0].strip().upper() or self.symbol

    @cached_property
    def quotes(self) -> Mapping[str, Sample]:
        """The latest quotes of its symbols."""
        return latest_quotes(symbols=self.symbols) if self.symbols else {}

    @property
    def symbols(self) -> frozenset[str]:
        """Every symbol that was typed and may be one: what it trades, watches, has a target for."""
        targets = self.answers.get(Page.TARGET, {}).get("targets.name", ())
        typed = (self.symbol, self.watched, *(name.strip().upper() for name in targets))
        return frozenset(symbol for symbol in typed if symbol and _may_be_symbol(symbol))

    # --- Its forms ---

    def reachable(self, page: Page) -> bool:
        """Whether what it asks is known: each kind of action and of trigger asks its own."""
        if page in {Page.TARGET, Page.TRIGGER}:
            return self.effect_type is not None
        return page is not Page.CONDITION or self.trigger is not None

    def form(self, page: Page) -> Spoken:
        """The page's form, of a reachable page: with what was typed, or with what is usual."""
        data = self._data(page)
        form = self._form(page, data)
        if data is None:
            form.initial = self._usual(form)
        return form

    def first_open(self) -> Page:
        """The first page that asks for something still."""
        return next((page for page in ASKING if not self.is_answered(page)), Page.REVIEW)

    def is_answered(self, page: Page) -> bool:
        if not self.reachable(page):
            return False
        if page is Page.LIMITS and self._data(page) is None:
            return True  # what is usual will do
        return self._data(page) is not None and self._form(page, self._data(page)).is_valid()

    # --- The rule ---

    def asked(self, page: Page) -> Mapping[str, Any] | None:
        """The fields of a Draft that the page's answers say; None where they say none."""
        if not self.is_answered(page):
            return None
        form = self._form(page, self._data(page) or _as_data(LimitsForm(self.asker.zone).typed()))
        return form.asked() if form.is_valid() else None

    def draft(self) -> Draft | None:
        """The rule that is asked for; None while something is missing."""
        asked = [self.asked(page) for page in ASKING]
        if None in asked:
            return None
        return Draft(**{name: value for each in asked if each for name, value in each.items()})

    def problems(self, user: User, now: datetime) -> dict[str, str]:
        """What is wrong with what is said so far, by the path of each field. Nothing is stored."""
        fields: dict[str, Any] = dict(_STAND_IN)
        for page in ASKING:
            fields |= self.asked(page) or {}
        if "action_type" not in fields or "action_params" not in fields:
            return {}
        if self.asked(Page.CONDITION) is None:
            fields |= _STAND_IN
        draft = Draft(**fields)
        with transaction.atomic():  # checking a rule may list its symbol, and open a portfolio
            try:
                portfolio_of(user, draft, parse(draft, now))
            except InvalidRule as invalid:
                return invalid.errors
            finally:
                transaction.set_rollback(True)
        return {}

    def _chosen(self, form: Spoken, name: str) -> str:
        return str(form.cleaned_data[name]) if form.is_bound and form.is_valid() else ""

    def _data(self, page: Page) -> MultiValueDict[str, str] | None:
        key = str(page) if page is not Page.CONDITION else self.key(page)
        typed = self.answers.get(key)
        return None if typed is None else _as_data(typed)

    def _form(self, page: Page, data: MultiValueDict[str, str] | None) -> Spoken:
        match page, self.effect_type, self.trigger:
            case Page.ACTION, _, _:
                return ActionForm(data)
            case Page.LIMITS, _, _:
                return LimitsForm(self.asker.zone, data)
            case Page.TARGET, effect, _ if effect:
                return TargetForm(effect, self.asker, data)
            case Page.TRIGGER, effect, _ if effect:
                return TriggerForm(effect, data)
            case Page.CONDITION, _, trigger if trigger:
                return ConditionForm(trigger, data)
        raise ValueError(f"The page {page} has no form yet.")

    def _usual(self, form: Spoken) -> dict[str, Any]:
        """What stands in a form that nobody has filled in: a price is today's."""
        if not isinstance(form, ConditionForm):
            return {}
        usual = form.usual()
        usual.pop("symbol", None)
        prices, price = form.prices(), self._price()
        return usual | {name: price for name in prices if price is not None}

    def _price(self) -> str | None:
        symbol = self.symbol
        quote = self.quotes.get(symbol) if symbol else None
        return f"{quote.price.quantize(_CENT):f}" if quote else None


_CENT = Decimal("0.01")
_may_be_symbol = re.compile(SYMBOL_PATTERN).fullmatch


def answers_of(draft: Draft, asker: Asker) -> dict[str, Answers]:
    """What would be typed for a rule that there is. Parts that cannot be read are left out."""
    found: dict[str, Answers] = {Page.ACTION: {"action_type": [draft.action_type]}}
    outline = Outline(found, asker)
    if outline.effect_type is not None:
        found[Page.TARGET] = _target(draft, TargetForm(outline.effect_type, asker))
        found[Page.TRIGGER] = {"trigger_type": [draft.trigger_type]}
        outline = Outline(found, asker)
        if outline.trigger is not None:
            form = ConditionForm(outline.trigger)
            found[outline.key(Page.CONDITION)] = _all(form, draft.trigger_params)
    limits = LimitsForm(asker.zone)
    found[Page.LIMITS] = _flat(limits.typed_for(draft))
    return found


def kept(posted: Mapping[str, Sequence[str]], form: Spoken) -> Answers:
    """What was posted to the fields of the form, no longer than anybody types."""
    names = [name for field in form.fields for name in (field, f"{field}.name", f"{field}.number")]
    return {
        name: [text.replace("\0", "")[:LONGEST_ANSWER] for text in posted[name][:MOST_ANSWERS]]
        for name in names
        if name in posted
    }


def _as_data(typed: Answers) -> MultiValueDict[str, str]:
    return MultiValueDict({name: list(texts) for name, texts in typed.items()})


def _target(draft: Draft, form: TargetForm) -> Answers:
    sizes = {"quantity": draft.quantity, "amount_usd": draft.amount_usd}
    given = {name: f"{size.normalize():f}" for name, size in sizes.items() if size is not None}
    typed = {**_all(form, {**draft.action_params, **given})}
    if draft.symbol:
        typed["symbol"] = [draft.symbol]
    if draft.portfolio_id and "portfolio_id" in form.fields:
        typed["portfolio_id"] = [str(draft.portfolio_id)]
    return typed


def _all(form: PartForm, params: Mapping[str, Any]) -> Answers:
    """What stands in the form for these parameters; where one is not set, what holds then."""
    return _flat({**form.defaults(), **form.typed_for(params)})


def _flat(typed: Mapping[str, Any]) -> Answers:
    return dict(_pairs(typed))


def _pairs(typed: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[str]]]:
    for name, value in typed.items():
        yield from as_answers(name, value).items()
