"""A rule is written in steps: by posting them, as a browser without scripts does."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from accounts.models import User
from actions.engine import take_in
from actions.models import Action, RuleDraft
from actions.registry import action_types, trigger_types
from actions.services import Draft
from actions.wizard.drafts import open_draft
from actions.wizard.forms import triggers_for
from market.hours import AlwaysOpen, Exchange, TradingCalendar
from market.models import Quote
from market.quotes import Bar, Sample
from market.services import follow
from portfolios.services import deposit, open_portfolio, primary_portfolio
from tests.conftest import Feed, list_instruments
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

TARGETS: Mapping[str, Mapping[str, Any]] = {
    "BUY": {"symbol": "aapl", "measure": "$1,500.00", "measured_in": "amount_usd"},
    "SELL": {"symbol": "AAPL", "measure": "50 %", "measured_in": "fraction"},
    "NOTIFY": {"symbol": "AAPL", "message": "Look."},
    "REBALANCE": {"targets.name": ["AAPL", "MSFT", ""], "targets.number": ["60", "30 %", ""]},
}
STORED: Mapping[str, Mapping[str, Any]] = {
    "BUY": {"symbol": "AAPL", "amount_usd": Decimal(1500)},
    "SELL": {"symbol": "AAPL", "action_params": {"fraction": "0.5"}},
    "NOTIFY": {"symbol": "AAPL", "action_params": {"message": "Look."}},
    "REBALANCE": {"symbol": None, "action_params__targets": {"AAPL": "0.6", "MSFT": "0.3"}},
}
PAIRS = [
    (action_type, trigger_type)
    for action_type, effect in action_types().items()
    for trigger_type, _ in triggers_for(effect)
]


@pytest.fixture
def ada(feed: Feed, db: None) -> User:
    list_instruments(["AAPL", "IBM", "MSFT"])
    user = UserFactory.create(username="ada", time_zone="America/New_York")
    now = datetime.now(UTC)
    deposit(portfolio=primary_portfolio(user=user), amount=Decimal(10_000), at=now)
    follow(symbols=["AAPL"])
    take_in([Sample("AAPL", Decimal("142.10"), now)], now)
    return user


class Wizard:
    """Somebody at the wizard: posts a page, and goes where the answer leads."""

    def __init__(self, user: User, begin: str = "/actions/new") -> None:
        self.client = Client()
        self.client.force_login(user)
        self.at = begin
        self.page = self.client.get(begin)
        while self.page.status_code == 302:
            self.at = self.page["Location"]
            self.page = self.client.get(self.at)

    @property
    def form(self) -> Any:
        return self.page.context["form"]

    @property
    def said(self) -> str:
        return self.page.content.decode()

    @property
    def sentence(self) -> str:
        return "".join(f"[{p.words}]" if p.gap else p.words for p in self.page.context["pieces"])

    def send(self, **typed: Any) -> "Wizard":
        hidden = {
            "draft": str(self.page.context["draft"].pk),
            "revision": str(self.page.context["draft"].revision),
            "version": self.page.context["draft"].version,
        }
        return self.post({**hidden, **typed})

    def post(self, data: Mapping[str, Any]) -> "Wizard":
        self.page = self.client.post(self.at, data)
        while self.page.status_code == 302:
            self.at = self.page["Location"]
            self.page = self.client.get(self.at)
        return self

    def go(self, url: str) -> "Wizard":
        self.at = url
        self.page = self.client.get(url)
        return self

    def as_it_stands(self) -> Mapping[str, Sequence[str]]:
        """What a browser would send of the form, if nothing were typed."""
        form: Any = self.form
        found: Mapping[str, Sequence[str]] = form.data if form.is_bound else form.typed()
        return found


def errors(wizard: Wizard) -> dict[str, str]:
    return {name: " ".join(words) for name, words in wizard.form.errors.items()}


@pytest.mark.parametrize(("action_type", "trigger_type"), PAIRS)
def test_each_action_is_made_with_each_trigger_by_what_stands_in_the_forms(
    ada: User, action_type: str, trigger_type: str
) -> None:
    wizard = Wizard(ada).send(action_type=action_type).send(**TARGETS[action_type])
    assert wizard.page.context["page"] == "trigger", errors(wizard)
    wizard.send(trigger_type=trigger_type)
    typed = dict(wizard.as_it_stands())
    if action_type == "REBALANCE" and "symbol" in trigger_types()[trigger_type].model_fields:
        typed["symbol"] = ["IBM"]
    wizard.send(**typed)
    assert wizard.page.context["page"] == "limits", errors(wizard)
    wizard.send(**wizard.as_it_stands())
    assert wizard.page.context["page"] == "review", errors(wizard)
    sentence = wizard.sentence
    assert "[" not in sentence
    wizard.send()
    action = Action.objects.get(user=ada, trigger_type=trigger_type)
    assert wizard.at == f"/actions/{action.pk}"
    assert action.sentence(ada.zone) == sentence
    assert Action.objects.filter(pk=action.pk, **STORED[action_type]).exists()
    assert set(action.trigger_params) >= set(trigger_types()[trigger_type].examples[0].params)


def test_every_trigger_and_every_effect_is_offered(ada: User) -> None:
    offered = {trigger_type for _, trigger_type in PAIRS}
    assert offered == set(trigger_types())
    assert {action_type for action_type, _ in PAIRS} == set(action_types()) == set(TARGETS)


def test_the_sentence_has_gaps_for_what_is_missing(ada: User) -> None:
    wizard = Wizard(ada)
    assert wizard.sentence == "[do what] [when], once."
    wizard.send(action_type="SELL")
    assert wizard.sentence == "Sell [how much] [which symbol] [when], once."
    wizard.send(symbol="AAPL", measure="10", measured_in="quantity")
    assert wizard.sentence == "Sell 10 AAPL [when], once."
    wizard.send(trigger_type="price_below")
    assert wizard.sentence == "Sell 10 AAPL when the price is at or below $142.10, once."


def test_a_price_begins_at_todays_and_what_is_true_already_is_said(ada: User) -> None:
    wizard = Wizard(ada).send(action_type="NOTIFY").send(symbol="AAPL")
    wizard.send(trigger_type="price_below")
    assert wizard.form.typed()["threshold"] == ["142.10"]
    assert "Already true:" in wizard.said
    wizard.send(threshold="120", on="level")
    assert "Already true:" not in wizard.go(wizard.at.replace("limits", "review")).said


def test_back_and_a_refresh_keep_everything_and_each_page_has_its_address(ada: User) -> None:
    wizard = Wizard(ada).send(action_type="BUY").send(symbol="AAPL", measure="x", go="back")
    assert wizard.page.context["page"] == "action"
    assert wizard.form["action_type"].value() == "BUY"
    wizard.send(action_type="BUY")
    assert wizard.form["measure"].value() == "x"
    target = wizard.at
    assert wizard.go(target).form["symbol"].value() == "AAPL"
    assert wizard.go(target.replace("target", "action")).form["action_type"].value() == "BUY"


def test_what_is_wrong_is_said_at_its_field_and_what_was_typed_stays(ada: User) -> None:
    wizard = Wizard(ada).send()
    assert errors(wizard) == {"action_type": "Choose what is to happen."}
    wizard.send(action_type="BUY").send(symbol="Appel", measure="ten", measured_in="quantity")
    assert errors(wizard) == {"measure": "Use a plain number, such as 150 or 0.5."}
    assert wizard.form["measure"].value() == "ten"
    wizard.send(symbol="<b>x</b>", measure="-1", measured_in="quantity")
    assert set(errors(wizard)) == {"measure"}
    assert "<b>x</b>" not in wizard.said
    wizard.send(symbol="<b>x</b>", measure="1", measured_in="quantity")
    assert "is not a symbol that is known here" in errors(wizard)["symbol"]
    assert "<b>x</b>" not in wizard.said
    wizard.send(symbol="AAPL", measure="10", measured_in="quantity")
    wizard.send(trigger_type="drift")
    assert set(errors(wizard)) == {"trigger_type"}
    wizard.send(trigger_type="trailing_stop").send(measure="120", measured_in="percent")
    assert set(errors(wizard)) == {"measure"}
    wizard.send(measure="5", measured_in="percent", direction="down")
    wizard.send(often="times", times="many", ends_on="2020-01-01")
    assert set(errors(wizard)) == {"times"}
    wizard.send(often="times", times="3", ends_on="2020-01-01")
    assert errors(wizard) == {"ends_on": "That has passed already. Choose a later end."}


def test_weights_beyond_all_there_is_are_refused_at_the_table(ada: User) -> None:
    wizard = Wizard(ada).send(action_type="REBALANCE")
    wizard.send(**{"targets.name": ["AAPL", "aapl"], "targets.number": ["60", "10"]})
    assert "named twice" in errors(wizard)["targets"]
    wizard.send(**{"targets.name": ["AAPL", "MSFT"], "targets.number": ["60", "50"]})
    assert "or less in all" in errors(wizard)["targets"]
    assert wizard.form["targets"].value() == [("AAPL", "60"), ("MSFT", "50")]


def test_a_rule_is_created_once_however_often_it_is_sent(ada: User) -> None:
    wizard = filled_in(ada)
    review, hidden = wizard.at, {"draft": str(wizard.page.context["draft"].pk)}
    wizard.send()
    again = wizard.client.post(review, hidden)
    assert again["Location"] == wizard.at
    assert Action.objects.filter(user=ada).count() == 1
    assert "has become a rule already" in wizard.go(wizard.at).said


def test_a_first_page_that_is_sent_twice_begins_one_draft(ada: User) -> None:
    wizard = Wizard(ada)
    sent = {"draft": str(wizard.page.context["draft"].pk), "action_type": "BUY"}
    first, second = (wizard.client.post("/actions/new", sent)["Location"] for _ in range(2))
    assert first == second
    assert RuleDraft.objects.count() == 1


def test_two_tabs_write_two_rules(ada: User) -> None:
    one, other = Wizard(ada), Wizard(ada)
    one.send(action_type="BUY")
    other.send(action_type="SELL")
    one.send(symbol="AAPL", measure="1", measured_in="quantity")
    other.send(symbol="IBM", measure="2", measured_in="quantity")
    assert one.sentence == "Buy 1 AAPL [when], once."
    assert other.sentence == "Sell 2 IBM [when], once."


def test_a_lost_session_loses_nothing(ada: User) -> None:
    wizard = Wizard(ada).send(action_type="BUY")
    target, hidden = wizard.at, {"draft": str(wizard.page.context["draft"].pk)}
    lost = Client()
    answer = lost.post(target, {**hidden, "symbol": "MSFT", "measure": "7"})
    assert answer["Location"].startswith("/sign-in?next=")
    lost.force_login(ada)
    page = lost.get(target)
    assert page.context["form"]["symbol"].value() == "MSFT"
    assert page.context["form"]["measure"].value() == "7"


def test_what_is_being_typed_is_kept_unless_the_page_was_sent_meanwhile(ada: User) -> None:
    wizard = Wizard(ada).send(action_type="BUY")
    draft = wizard.page.context["draft"]
    typed = {"draft": str(draft.pk), "revision": draft.revision, "symbol": "MSFT", "measure": "3"}
    part = wizard.client.post(wizard.at, typed, headers={"HX-Request": "true"})
    assert "Buy 3 MSFT" in part.content.decode()
    assert wizard.go(wizard.at).form["symbol"].value() == "MSFT"
    wizard.send(symbol="AAPL", measure="4", measured_in="quantity", go="back")
    wizard.client.post(
        wizard.at.replace("/action?", "/target?"), typed, headers={"HX-Request": "true"}
    )
    draft.refresh_from_db()
    assert draft.answers["target"]["symbol"] == ["AAPL"]


@pytest.mark.parametrize("step", ["condition", "target", "trigger"])
def test_a_step_that_comes_too_early_leads_to_the_one_before(ada: User, step: str) -> None:
    wizard = Wizard(ada)
    answer = wizard.client.get(f"/actions/new/{step}", follow=True)
    assert answer.context["page"] == "action"
    assert "this comes first" in answer.content.decode()


def test_a_forged_step_draft_or_owner_is_not_found(ada: User) -> None:
    wizard = Wizard(ada).send(action_type="BUY")
    draft = wizard.page.context["draft"]
    bob = Client()
    bob.force_login(UserFactory.create())
    assert wizard.client.get("/actions/new/steal").status_code == 404
    assert wizard.client.get("/actions/new?draft=7").status_code == 404
    assert wizard.client.get(f"/actions/new?draft={uuid4()}").status_code == 404
    assert bob.get(f"/actions/new/target?draft={draft.pk}").status_code == 404
    assert (
        bob.post("/actions/new", {"draft": str(draft.pk), "action_type": "SELL"}).status_code == 404
    )
    draft.refresh_from_db()
    assert draft.answers == {"action": {"action_type": ["BUY"]}}


def test_an_empty_review_says_what_is_missing_and_makes_nothing(ada: User) -> None:
    wizard = Wizard(ada).send(action_type="BUY")
    wizard.go(wizard.at.replace("target", "review"))
    assert "Something is still missing." in wizard.said
    wizard.send()
    assert not Action.objects.exists()


def test_a_draft_that_chat_has_filled_in_opens_at_the_review(ada: User) -> None:
    draft = open_draft(user=ada, draft=dip(), now=datetime.now(UTC))
    wizard = Wizard(ada, f"/actions/new?draft={draft.pk}")
    assert wizard.page.context["page"] == "review"
    assert wizard.sentence == "Sell 10 AAPL when the price is at or below $120.00, once."


def test_an_example_opens_the_wizard_filled_in(ada: User) -> None:
    wizard = Wizard(ada, "/actions/new?example=stop")
    assert wizard.sentence == "Sell all of your AAPL when the price falls 5 % from its peak, once."
    wizard.send(action_type="SELL", go="review")
    assert wizard.page.context["page"] == "review"


def test_the_review_says_what_it_costs_and_what_would_be_refused(ada: User) -> None:
    wizard = filled_in(ada)
    assert "$142.10" in wizard.said
    assert "There is no AAPL" in wizard.said or "needs that many shares" in wizard.said
    assert "in the last year" not in wizard.said  # nothing is said that nobody has worked out


@pytest.mark.parametrize("hours", [AlwaysOpen(), Exchange()], ids=["a replay's", "the exchange's"])
def test_the_review_says_how_often_it_would_have_fired_in_the_last_year(
    ada: User, feed: Feed, hours: TradingCalendar
) -> None:
    feed.calendar = hours
    days = [datetime.now(UTC) - timedelta(days=n) for n in range(60, 0, -1)]
    closes = sorted({Exchange().last_close(day) for day in days})
    prices = [Decimal(115 if n == 7 else 130) for n in range(len(closes))]
    feed.bars = {
        "AAPL": [
            Bar("AAPL", at, price, price, price, price, 1)
            for at, price in zip(closes, prices, strict=True)
        ]
    }
    assert "It would have fired 1 time in the last year." in filled_in(ada).said


def test_a_stop_is_drawn_by_the_last_price_while_the_market_is_closed(
    ada: User, feed: Feed
) -> None:
    feed.calendar = Exchange()
    Quote.objects.update(as_of=Exchange().last_close(datetime.now(UTC)) - timedelta(hours=1))
    draft = replace(dip(), trigger_type="trailing_stop", trigger_params={"percent": "5"})
    opened = open_draft(user=ada, draft=draft, now=datetime.now(UTC))
    wizard = Wizard(ada, f"/actions/new/condition?draft={opened.pk}")
    levels = wizard.page.context["chart"].data["levels"]
    assert [(Decimal(level["value"]), level["role"]) for level in levels] == [
        (Decimal("142.10"), "reference"),
        (Decimal("134.995"), "trigger"),
    ]


def dip() -> Draft:
    return Draft(
        action_type="SELL",
        symbol="AAPL",
        quantity=Decimal(10),
        trigger_type="price_below",
        trigger_params={"threshold": "120"},
    )


def filled_in(user: User) -> Wizard:
    draft = open_draft(user=user, draft=dip(), now=datetime.now(UTC))
    return Wizard(user, f"/actions/new?draft={draft.pk}")


def test_the_portfolio_is_chosen_where_there_are_several(ada: User) -> None:
    assert "portfolio_id" not in Wizard(ada).send(action_type="BUY").form.fields
    second = open_portfolio(user=ada, name="Second")
    wizard = Wizard(ada).send(action_type="BUY")
    wizard.send(symbol="AAPL", measure="1", measured_in="quantity", portfolio_id=str(uuid4()))
    assert set(errors(wizard)) == {"portfolio_id"}
    wizard.send(symbol="AAPL", measure="1", measured_in="quantity", portfolio_id=str(second.pk))
    wizard.send(trigger_type="time_of_day").send(time="09:35", days="trading_days").send().send()
    assert Action.objects.get(user=ada).portfolio == second


def test_symbols_are_offered_with_name_and_price(ada: User) -> None:
    wizard = Wizard(ada)
    answer = wizard.client.get("/actions/symbols", {"symbol": "aa"}).content.decode()
    assert '<option value="AAPL">AAPL, $142.10</option>' in answer
    assert "<b>" not in wizard.client.get("/actions/symbols", {"symbol": "<b>"}).content.decode()
