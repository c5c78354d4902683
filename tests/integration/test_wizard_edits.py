"""The wizard over a rule that there is: what is edited, and when it is not."""

from datetime import UTC, datetime

import pytest
from django.test import Client

from accounts.models import User
from actions.models import Action
from actions.services import create_action, pause_action
from tests.factories import UserFactory
from tests.integration.test_wizard import Wizard, ada, dip

__all__ = ["ada"]  # a fixture

pytestmark = pytest.mark.django_db


def test_an_edit_changes_what_was_changed_and_nothing_else(ada: User) -> None:
    action = create_action(user=ada, draft=dip(), now=datetime.now(UTC))
    state, since = action.runtime_state, action.valid_from
    wizard = Wizard(ada, f"/actions/{action.pk}/edit").send(action_type="SELL", go="review")
    wizard.go(wizard.at.replace("review", "limits"))
    wizard.send(**{**wizard.as_it_stands(), "often": ["times"], "times": ["4"]})
    wizard.send()
    action.refresh_from_db()
    assert wizard.at == f"/actions/{action.pk}"
    assert (action.max_executions, action.trigger_params) == (4, {"threshold": "120"})
    assert (action.runtime_state, action.valid_from, action.status_reason) == (state, since, "")


def test_an_edit_of_a_rule_that_somebody_else_has_changed_is_refused_in_words(ada: User) -> None:
    action = create_action(user=ada, draft=dip(), now=datetime.now(UTC))
    wizard = Wizard(ada, f"/actions/{action.pk}/edit").send(action_type="SELL", go="review")
    pause_action(user=ada, action_id=action.pk, now=datetime.now(UTC))
    wizard.send()
    assert "has been changed since you began to edit it" in wizard.said
    assert f'<a href="/actions/{action.pk}/edit">Edit it as it is now</a>' in wizard.said


def test_a_rule_that_has_ended_is_not_edited_and_anothers_is_not_there(ada: User) -> None:
    action = create_action(user=ada, draft=dip(), now=datetime.now(UTC))
    bob = Client()
    bob.force_login(UserFactory.create())
    assert bob.get(f"/actions/{action.pk}/edit").status_code == 404
    Action.objects.filter(pk=action.pk).update(status="completed")
    wizard = Wizard(ada, f"/actions/{action.pk}/edit")
    assert wizard.at == f"/actions/{action.pk}"
    assert "The rule is completed, and stays as it was." in wizard.said
