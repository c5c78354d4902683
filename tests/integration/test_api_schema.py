"""The API is as its schema says: what is generated from it is never a fault of ours."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import schemathesis
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from actions.services import Draft, create_action
from portfolios.services import deposit, primary_portfolio
from tests.api import PRICE_BELOW, Api, bearer
from tests.conftest import Feed
from tests.factories import UserFactory

CALLS = 12  # of each operation: the whole takes some half a minute
load_all_checks()
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]


described = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(public=True))  # type: ignore[no-untyped-call]
described.app = get_wsgi_application()


def test_the_schema_is_valid_and_made_without_a_warning() -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", "/dev/null")


@pytest.mark.django_db
def test_a_rule_that_is_sent_is_told_apart_by_its_trigger() -> None:
    schema = Api().get("/schema").json()
    assert schema["openapi"].startswith("3.1")
    sent = schema["components"]["schemas"]["RuleToCreate"]
    assert sent["discriminator"]["propertyName"] == "trigger_type"
    below = sent["discriminator"]["mapping"]["price_below"].rpartition("/")[2]
    params = schema["components"]["schemas"][below]["properties"]["trigger_params"]["$ref"]
    fields = schema["components"]["schemas"][params.rpartition("/")[2]]
    assert fields["required"] == ["threshold"]


class Owner:
    """Who asks, and what is theirs."""

    def __init__(self, feed: Feed) -> None:
        now = timezone.now()
        user = UserFactory.create()
        portfolio = primary_portfolio(user=user)
        deposit(portfolio=portfolio, amount=Decimal(10_000), at=now)
        feed.says("AAPL", "160", now)
        draft = Draft(**{**PRICE_BELOW, "quantity": Decimal(1)})
        rule = create_action(user=user, draft=draft, now=now)
        self.ids = {"action_id": str(rule.pk), "portfolio_id": str(portfolio.pk)}
        self.headers = bearer(user)


@pytest.fixture
def owner(instruments: None, feed: Feed, settings: Any) -> Owner:
    settings.API_REQUESTS_PER_MINUTE = settings.API_TOKENS_PER_MINUTE = 10**9
    return Owner(feed)


@pytest.fixture(autouse=True)
def _the_connection_stays_open() -> Iterator[None]:
    """A server gives its connection up after a request; the test's is open until its roll-back."""
    ends = (request_started, request_finished)
    for end in ends:
        end.disconnect(close_old_connections)
    yield
    for end in ends:
        end.connect(close_old_connections)


@described.parametrize()
@settings(
    max_examples=CALLS,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_what_is_generated_from_the_schema_is_answered_as_it_says(case: Any, owner: Owner) -> None:
    for name, id in owner.ids.items():
        if is_an_id((case.path_parameters or {}).get(name)):
            case.path_parameters[name] = id
    case.call_and_validate(headers=owner.headers, checks=CHECKS)


def is_an_id(value: object) -> bool:
    try:
        return bool(UUID(str(value)))
    except ValueError:
        return False
