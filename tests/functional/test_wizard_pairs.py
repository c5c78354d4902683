"""Every action is made with every trigger in a browser, typed into the wizard step by step.

What is typed is what the registry's examples say, another one with each action, so that a trigger
that is new is tried by itself. All triggers of an action share one window, to be quick.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Locator, Page

from accounts.models import User
from actions.engine import take_in
from actions.models import Action
from actions.parts import Example
from actions.registry import action_types, trigger_types
from actions.rules import Effect, Trigger
from actions.wizard.drafts import asker_for
from actions.wizard.forms import ConditionForm, TargetForm, takes_symbol, triggers_for
from actions.wizard.part_form import as_answers
from market.quotes import Sample
from market.services import follow
from portfolios.services import deposit, primary_portfolio
from tests.conftest import Feed, list_instruments
from tests.factories import UserFactory
from tests.functional.visits import Visits

pytestmark = pytest.mark.django_db(transaction=True)

SYMBOLS = ("AAPL", "IBM", "MSFT", "SPY")  # those of the examples


@pytest.fixture
def ada(feed: Feed) -> User:
    now: datetime = timezone.now()
    list_instruments(SYMBOLS)
    follow(symbols=SYMBOLS)
    take_in([Sample(symbol, Decimal("142.10"), now) for symbol in SYMBOLS], now)
    user = UserFactory.create(username="ada", time_zone="America/New_York")
    deposit(portfolio=primary_portfolio(user=user), amount=Decimal(10_000), at=now)
    return user


@pytest.mark.parametrize(("nth", "action_type"), list(enumerate(action_types())))
def test_an_action_is_made_with_each_trigger(
    visits: Visits, ada: User, subtests: pytest.Subtests, nth: int, action_type: str
) -> None:
    page = visits.begin(user=ada)
    effect = action_types()[action_type]
    does = _nth(effect.examples, nth)
    target = TargetForm(effect, asker_for(user=ada)).typed_for(does.params)
    if takes_symbol(effect):
        target["symbol"] = "AAPL"
    for trigger_type, trigger in triggers_for(effect):
        with subtests.test(trigger_type):
            waits = _fit(_nth(trigger.examples, nth), trigger, effect)
            page.goto("/actions/new", wait_until="domcontentloaded")
            page.locator(f"[value={action_type}]").check()
            _press(page, "Next", leads_to="**/new/target?*")
            _type(page, target)
            _press(page, "Next", leads_to="**/new/trigger?*")
            page.locator(f"[value={trigger_type}]").check()
            _press(page, "Next", leads_to="**/new/condition?*")
            _type(page, _condition(trigger, waits))
            _press(page, "Next", leads_to="**/new/limits?*")
            _press(page, "Next", leads_to="**/new/review?*")
            _press(page, "Create", leads_to="**/actions/*-*")
            said = " ".join(page.locator("h1").inner_text().split())
            assert said == f"{does.reads} {waits.reads}, once."
            made = Action.objects.get(pk=page.url.rpartition("/")[2])
            assert (made.action_type, made.trigger_type) == (action_type, trigger_type)


def test_every_trigger_is_made_with_some_action() -> None:
    made = {name for effect in action_types().values() for name, _ in triggers_for(effect)}
    assert made == set(trigger_types())


def _nth(examples: Sequence[Example], nth: int) -> Example:
    return examples[nth % len(examples)]


def _fit(example: Example, trigger: type[Trigger], effect: type[Effect]) -> Example:
    """The example; of an action without a symbol of its own, with one that is to be watched."""
    params = example.params
    if takes_symbol(effect) or "symbol" not in trigger.model_fields or "symbol" in params:
        return example
    params = {**params, "symbol": "IBM"}
    return Example(params, trigger.model_validate(params).describe(None))


def _condition(trigger: type[Trigger], example: Example) -> Mapping[str, Any]:
    """What is typed for the example: what it leaves open is as it is where nothing is said."""
    form = ConditionForm(trigger)
    return form.defaults() | form.typed_for(example.params)


def _press(page: Page, button: str, *, leads_to: str) -> None:
    page.get_by_role("button", name=button, exact=True).click()
    page.wait_for_url(leads_to, wait_until="domcontentloaded")


def _type(page: Page, typed: Mapping[str, Any]) -> None:
    """Into the fields of these names, of whatever kind they are."""
    for name, value in typed.items():
        for field, texts in as_answers(name, value).items():
            _fill(page.locator(f'[name="{field}"]'), texts)


def _fill(fields: Locator, texts: Sequence[str]) -> None:
    kind = fields.first.evaluate("field => field.type")
    if kind == "checkbox":
        for field in fields.all():
            field.set_checked(field.input_value() in texts)
    elif kind == "radio":
        fields.and_(fields.page.locator(f'[value="{texts[0]}"]')).check()
    elif kind == "select-one":
        fields.select_option(texts[0])
    else:
        for n, text in enumerate(texts):
            fields.nth(n).fill(text)
