"""What is exported is imported as the same rules, of every trigger and effect, in every format."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import User
from actions.bulk.imports import apply_import, check_import, confirm_import, open_import
from actions.bulk.writing import MEDIA_TYPES, written
from actions.models import Action
from actions.parts import InvalidRule
from actions.registry import action_types, trigger_types
from actions.services import Draft, create_action, pause_action
from portfolios.services import open_portfolio, primary_portfolio
from tests.conftest import list_instruments
from tests.factories import UserFactory
from tests.unit.made_up_markets import triggers

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments", "feed")]

NOW = datetime(2026, 11, 17, 15, 0, tzinfo=UTC)
COPIED = (
    *("action_type", "symbol", "quantity", "amount_usd", "action_params", "trigger_type"),
    *("trigger_params", "valid_from", "valid_until", "max_executions", "cooldown_seconds"),
    *("notes", "status", "runtime_state"),
)
EFFECTS: list[tuple[str, dict[str, Any]]] = [
    ("BUY", {"symbol": "AAPL", "quantity": Decimal("0.00000001")}),
    ("BUY", {"symbol": "AAPL", "amount_usd": Decimal("1234.50")}),
    ("SELL", {"symbol": "AAPL", "action_params": {"fraction": "0.333333333333"}}),
    ("NOTIFY", {"symbol": "AAPL"}),
    ("NOTIFY", {"symbol": "AAPL", "action_params": {"message": "=1+1\r\n'@me\u2028"}}),
    ("REBALANCE", {"action_params": {"targets": {"AAPL": "0.6", "SPY": "0.3"}}}),
]
awkward = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20
) | st.sampled_from(["=HYPERLINK(1)", "'=1", "-5", "@x", "\ttab", "\rcr", '"', "a,b\nc", "any"])
limits: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "max_executions": st.sampled_from([None, 1, 7]),
        "cooldown_seconds": st.sampled_from([None, 0, 60]),
        "valid_from": st.sampled_from([None, NOW + timedelta(days=1, microseconds=1)]),
        "valid_until": st.sampled_from([None, NOW + timedelta(days=9), NOW.date()]),
        "notes": st.none() | awkward,
    }
)


@st.composite
def drafts(draw: st.DrawFn, trigger_type: str) -> Draft:
    action_type, parts = draw(st.sampled_from(EFFECTS))
    trigger = draw(triggers(trigger_type))
    params = trigger.model_dump(mode="json", exclude_unset=True)
    return Draft(
        action_type=action_type,
        trigger_type=trigger_type,
        trigger_params=params,
        **parts,
        **draw(limits),
    )


def stored(user: User, draft: Draft) -> Action | None:
    """The rule, where there can be such a one."""
    try:
        return create_action(user=user, draft=draft, now=NOW)
    except InvalidRule:
        return None


def exported(user: User, form: str) -> bytes:
    return b"".join(written(Action.objects.filter(user=user), form=form, zone=user.zone))


def imported(user: User, content: bytes) -> dict[str, int]:
    held = open_import(user=user, content=content, now=NOW)
    held = check_import(import_id=held.pk, now=NOW)
    assert held.state == "checked", held.shown
    confirm_import(user=user, import_id=held.pk, now=NOW)
    assert apply_import(import_id=held.pk, now=NOW).state == "done"
    return dict(held.counts)


def settings_of(user: User) -> list[tuple[Any, ...]]:
    rules = Action.objects.filter(user=user).select_related("portfolio")
    found = [
        (
            *(getattr(rule, name) for name in COPIED),
            rule.portfolio.name if rule.portfolio else None,
        )
        for rule in rules
    ]
    return sorted(found, key=repr)


@pytest.mark.parametrize("trigger_type", sorted(trigger_types()))
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_rules_come_back_as_they_were(trigger_type: str, data: st.DataObject) -> None:
    ada, bob = UserFactory.create(), UserFactory.create()
    pension = open_portfolio(user=ada, name="=Pension, 'mine'")
    open_portfolio(user=bob, name="=Pension, 'mine'")
    wanted = data.draw(st.lists(drafts(trigger_type), min_size=1, max_size=5))
    rules = [rule for draft in wanted if (rule := stored(ada, draft))]
    pauses: bool = data.draw(st.booleans())
    if rules and pauses:
        pause_action(user=ada, action_id=rules[0].pk, now=NOW)
        Action.objects.filter(pk=rules[0].pk).update(runtime_state={})
        Action.objects.filter(pk=rules[-1].pk, portfolio__isnull=False).update(portfolio=pension)
    if not rules:
        return
    form = data.draw(st.sampled_from(sorted(MEDIA_TYPES)))
    content = exported(ada, form)
    assert imported(ada, content) == {"unchanged": len(rules)}
    assert imported(bob, content) == {"new": len(rules)}
    assert settings_of(bob) == settings_of(ada)
    assert imported(bob, content) == {"unchanged": len(rules)}


def test_every_effect_is_among_them() -> None:
    assert {action_type for action_type, _ in EFFECTS} == set(action_types())


def test_a_file_of_every_kind_of_rule_is_the_same_in_each_kind_of_file() -> None:
    list_instruments(["AAPL"])
    ada = UserFactory.create()
    for trigger_type, trigger in trigger_types().items():
        for example in trigger.examples:
            stored(
                ada,
                Draft(
                    action_type="NOTIFY",
                    symbol="AAPL",
                    trigger_type=trigger_type,
                    trigger_params=example.params,
                ),
            )
    assert Action.objects.count() > 10
    assert primary_portfolio(user=ada)
    for form in MEDIA_TYPES:
        assert imported(ada, exported(ada, form)) == {"unchanged": Action.objects.count()}
