"""What people type is understood fully, or the one thing that is missing is asked."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from actions.parts import InvalidRule
from chat.phrases import Intent, KnownRule, Understood, read
from chat.phrases.compose import rule_of
from market.directory import shipped
from market.hours import Exchange

ROOT = Path(__file__).resolve().parents[2]
OWN = Path(__file__).parent / "data" / "phrases.jsonl"
SHARED = ROOT.parent / "shared" / "data"

NOW = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)  # a Wednesday, 10:00 in New York
NEW_YORK = ZoneInfo("America/New_York")
PRICES = {
    symbol: Decimal(price)
    for symbol, price in {"NVDA": 900, "TSLA": 230, "AAPL": 180, "MSFT": 410, "SPY": 560}.items()
}
HOLDINGS = {
    symbol: Decimal(shares)
    for symbol, shares in {"AAPL": 40, "NVDA": 25, "TSLA": 7, "MSFT": 20, "SPY": 50}.items()
}


def understood(text: str, **more: Any) -> Understood:
    """What is understood of `text` at the reference instant, by a user in New York who holds the
    HOLDINGS, unless told otherwise."""
    known = {"zone": NEW_YORK, "prices": PRICES, "holdings": HOLDINGS, "now": NOW, **more}
    return read(text, calendar=Exchange(), directory=shipped(), **known)


def lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# --- The project's own corpus ---


@pytest.mark.parametrize("row", lines(OWN), ids=lambda row: row["text"][:60])
def test_a_phrase_is_read_as_the_corpus_says(row: Mapping[str, Any]) -> None:
    found = understood(row["text"])
    shown = found.as_json()
    assert (shown["intent"], found.text) == (
        row["intent"],
        row.get("reads", found.text),
    ), found.text
    assert shown["args"] == row.get("args", {})
    assert row.get("says", "") in found.text
    assert (found.action is not None) == (row["intent"] == "create_action")
    if shown["action"]:
        assert shown["action"]["valid_from"] == row.get("valid_from")
        assert shown["action"]["notes"] == row.get("notes")


def test_the_corpus_is_large_and_each_phrase_stands_in_it_once() -> None:
    texts = [row["text"] for row in lines(OWN)]
    assert len(set(texts)) == len(texts) >= 250


# --- The shared rows ---

shared = pytest.mark.skipif(not SHARED.exists(), reason="../shared is not beside this checkout")


def shared_rows(*categories: str) -> list[dict[str, Any]]:
    return [row for row in lines(SHARED / "phrases.jsonl") if row["category"] in categories]


def read_row(row: Mapping[str, Any]) -> Understood:
    holdings = {name: Decimal(shares) for name, shares in row.get("holdings", {}).items()}
    return understood(row["text"], holdings=holdings or None)


def fits(found: Understood, expected: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    body = found.as_json()["action"]
    fields = ("action_type", "symbol", "amount_usd", "trigger_type")
    limits = ("max_executions", "cooldown_seconds")
    ends = row.get("valid_until_accept_at_ref", [None])
    return (
        all(body[name] == expected[name] for name in fields)
        and all(body[name] == expected[name] for name in limits if name in expected)
        and _shares(body, row) == expected["quantity"]
        and expected["trigger_params"].items() <= body["trigger_params"].items()
        and body["valid_until"] in ends
        and not (expected.get("recurring") and body["max_executions"] == 1)
        and expected.get("notes_contains", "") in (body["notes"] or "")
    )


def _shares(body: Mapping[str, Any], row: Mapping[str, Any]) -> Any:
    """The shares that it sells; a part is of what is held when it fires."""
    part = body["action_params"].get("fraction")
    return part * row["holdings"][body["symbol"]] if part else body["quantity"]


@shared
def test_nearly_all_shared_rules_are_exactly_right_and_the_rest_is_asked_about() -> None:
    rows = shared_rows("create")
    right = 0
    for row in rows:
        found = read_row(row)
        assert found.intent in (Intent.CREATE, Intent.ASK), row["text"]
        if found.intent is Intent.CREATE:
            expected = row["expected"]
            accepted = [expected, *(expected | also for also in row.get("accept_also", []))]
            assert any(fits(found, one, row) for one in accepted), (row["text"], found)
        right += found.intent is Intent.CREATE or row.get("accept_ask", False)
    assert right / len(rows) >= 0.95


@shared
@pytest.mark.parametrize("row", shared_rows("must_not_create"), ids=lambda row: row["id"])
def test_no_shared_row_that_must_not_create_does(row: Mapping[str, Any]) -> None:
    found = read_row(row)
    assert found.action is None
    assert found.intent.value in row["expected"]["intent"]
    assert found.text


@shared
@pytest.mark.parametrize("row", shared_rows("manage"), ids=lambda row: row["id"])
def test_the_shared_orders_about_rules_are_read(row: Mapping[str, Any]) -> None:
    found = understood(row["text"], rules=rules_of(row["setup"]) if "setup" in row else None)
    assert found.intent.value == row["expected"]["intent"]
    shown = found.as_json()["args"]
    expected = row["expected"]["args"]
    if expected.get("executed_since") == "start of week":
        expected = {"executed_since": "2026-03-02T05:00:00Z"}
    assert expected.items() <= shown.items()


def rules_of(setup: str) -> list[KnownRule]:
    count = 3 if setup.startswith("three") else 1
    return [known(f"rule {number}") for number in range(count)]


# --- The user's rules ---


def known(id: str, **more: Any) -> KnownRule:
    """A stop that sells AAPL, unless told otherwise."""
    return KnownRule(
        **{
            "id": id,
            "status": "active",
            "action_type": "SELL",
            "trigger_type": "price_below",
            "symbol": "AAPL",
            "sentence": f"The sentence of {id}.",
            **more,
        }
    )


STOP = known("stop")
TRAIL = known("trail", symbol="SPY", trigger_type="trailing_stop")
PAUSED = known("paused", symbol="TSLA", status="paused")
BUYER = known("buyer", symbol="MSFT", action_type="BUY")
RULES = [STOP, TRAIL, PAUSED, BUYER]


@pytest.mark.parametrize(
    ("text", "intent", "args"),
    [
        ("pause my apple stop", Intent.PAUSE, {"action_id": "stop"}),
        ("please put on hold the SPY trailing stop", Intent.PAUSE, {"action_id": "trail"}),
        ("resume my Tesla rule", Intent.RESUME, {"action_id": "paused"}),
        ("delete the rule that buys Microsoft", Intent.CANCEL, {"action_id": "buyer"}),
        ("cancel my MSFT rule", Intent.CANCEL, {"action_id": "buyer"}),
        ("run my MSFT rule now", Intent.EXECUTE, {"action_id": "buyer"}),
        ("why hasn't my AAPL stop fired?", Intent.EXPLAIN, {"action_id": "stop"}),
        (
            "change my AAPL stop to 145",
            Intent.UPDATE,
            {"action_id": "stop", "patch": {"trigger_params": {"threshold": Decimal(145)}}},
        ),
        (
            "tighten my SPY stop to 6%",
            Intent.UPDATE,
            {"action_id": "trail", "patch": {"trigger_params": {"percent": Decimal(6)}}},
        ),
        (
            "change the quantity of my MSFT rule to 20",
            Intent.UPDATE,
            {"action_id": "buyer", "patch": {"quantity": Decimal(20)}},
        ),
        (
            "simulate my AAPL stop at 140",
            Intent.SIMULATE,
            {"action_id": "stop", "prices": {"AAPL": Decimal(140)}},
        ),
    ],
)
def test_a_rule_is_found_by_its_words(text: str, intent: Intent, args: dict[str, Any]) -> None:
    found = understood(text, rules=RULES)
    assert found.intent is intent, found.text
    assert args.items() <= found.args.items()


@pytest.mark.parametrize(
    "text",
    ["pause my NVDA rule", "resume my AAPL stop", "cancel the KO alert", "pause my TSLA rule"],
)
def test_a_rule_that_is_not_there_or_not_in_that_state_is_not_found(text: str) -> None:
    found = understood(text, rules=RULES)
    assert found.intent is Intent.NOT_FOUND
    assert "no such rule" in found.text


@pytest.mark.parametrize(
    ("text", "patch"),
    [
        ("raise my AAPL stop to 175", {"threshold": Decimal(175)}),
        ("tighten my AAPL stop to 175", {"threshold": Decimal(175)}),
        ("change my AAPL stop to 165", {"threshold": Decimal(165)}),
        ("widen my SPY trailing stop to 12%", {"percent": Decimal(12)}),
        ("raise my AAPL stop to 165", None),
        ("please lower my AAPL stop to 190", None),
        ("tighten my SPY trailing stop to 12%", None),
    ],
)
def test_what_is_raised_or_lowered_goes_that_way(text: str, patch: dict[str, Any] | None) -> None:
    stop = known("stop", trigger_params={"threshold": "170"})
    trail = known(
        "trail", symbol="SPY", trigger_type="trailing_stop", trigger_params={"percent": "10"}
    )
    found = understood(text, rules=[stop, trail])
    if patch is None:
        assert found.intent is Intent.ASK
        assert "now. Say “change” and the number" in found.text
    else:
        assert found.args["patch"] == {"trigger_params": patch}, found.text


PRICED = [
    known("150", sentence="Sell 10 AAPL when the price is at or below $150.00, once."),
    known("1,200", sentence="Sell 10 AAPL when the price is at or below $1,200.00, once."),
]


@pytest.mark.parametrize(
    ("text", "intent", "id"),
    [
        ("cancel the AAPL stop at 150", Intent.CANCEL, "150"),
        ("cancel my order to sell 10 AAPL if it drops below 1,200", Intent.CANCEL, "1,200"),
        ("change my AAPL stop from 150 to 145", Intent.UPDATE, "150"),
        ("pause the AAPL stop at 300", Intent.NOT_FOUND, None),
        ("change my AAPL stop from 300 to 145", Intent.NOT_FOUND, None),
    ],
)
def test_a_rule_is_known_by_its_numbers(text: str, intent: Intent, id: str | None) -> None:
    found = understood(text, rules=PRICED)
    assert (found.intent, found.args.get("action_id")) == (intent, id), found.text


@pytest.mark.parametrize(
    "text",
    [
        "pause my AAPL rule until Friday",
        "pause all my rules on Friday",
        "resume my paused rules tomorrow",
        "execute my AAPL rule if it drops below 150",
        "pause everything that is not AAPL",
        "pause all rules but the AAPL one",
        "delete my rules that aren't AAPL",
        "change my AAPL rule to sell 20",
    ],
)
def test_what_is_meant_for_later_or_for_others_is_not_done_now(text: str) -> None:
    found = understood(text, rules=RULES)
    assert (found.intent, found.args) == (Intent.ASK, {}), found.text


def test_of_several_rules_it_asks_which_and_shows_them() -> None:
    second = known("second", sentence="Sell 5 AAPL when the price is at or below $120.00, once.")
    found = understood("pause my AAPL stop", rules=[*RULES, second])
    assert found.intent is Intent.ASK
    assert found.args["action_ids"] == ["stop", "second"]
    assert second.sentence in found.text


def test_all_of_them_are_meant_only_when_it_says_so() -> None:
    found = understood("pause all my rules", rules=RULES)
    assert (found.intent, found.args["action_ids"]) == (Intent.PAUSE, ["stop", "trail", "buyer"])
    assert understood("pause my rules", rules=RULES).intent is Intent.ASK


def test_a_price_is_not_given_to_a_rule_that_waits_for_none() -> None:
    found = understood("change my SPY trailing stop to 500", rules=RULES)
    assert found.intent is Intent.ASK
    assert "no price" in found.text


# --- What is beside the text ---


def test_a_price_that_is_hit_is_above_or_below_by_the_last_price() -> None:
    text = "sell 5 AAPL when it hits 200"
    for price, kind in ((180, "price_above"), (220, "price_below")):
        found = understood(text, prices={"AAPL": Decimal(price)})
        assert found.action
        assert found.action["trigger_type"] == kind
    assert understood(text, prices={}).intent is Intent.ASK


def test_a_part_of_a_position_needs_the_position() -> None:
    text = "sell half my Apple above 300"
    found = understood(text)
    assert found.action
    assert found.action["action_params"] == {"fraction": Decimal("0.5")}
    assert "not known" in understood(text, holdings=None).text
    assert "hold no AAPL" in understood(text, holdings={}).text


def test_times_are_those_of_the_users_clocks_and_ends_those_of_the_exchange() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    daily = understood("buy $50 of SPY every weekday at 16:00", zone=berlin)
    assert daily.action
    assert daily.action["trigger_params"]["timezone"] == "Europe/Berlin"
    friday = understood("sell 10 AAPL below 150 by Friday", zone=berlin)
    assert friday.as_json()["action"]["valid_until"] == "2026-03-06T21:00:00Z"
    opened = understood("buy 5 MSFT tomorrow at the open", zone=berlin)
    assert opened.action
    assert opened.action["trigger_params"]["timezone"] == "America/New_York"


def test_a_day_without_a_session_ends_at_the_last_close_before_it() -> None:
    good_friday = understood("sell 10 AAPL below 150 until April 3")
    assert good_friday.as_json()["action"]["valid_until"] == "2026-04-02T20:00:00Z"
    early = understood(
        "sell 10 AAPL below 150 by Friday", now=datetime(2026, 11, 25, 15, 0, tzinfo=UTC)
    )
    assert early.as_json()["action"]["valid_until"] == "2026-11-27T18:00:00Z"


def test_every_body_is_a_rule_that_the_registry_reads() -> None:
    for row in lines(OWN):
        body = understood(row["text"]).action
        if body is None:
            continue
        try:
            rule_of(body, NOW)
        except InvalidRule as invalid:
            pytest.fail(f"{row['text']}: {invalid}")


def test_numbers_keep_every_digit_in_json() -> None:
    found = understood("sell 0.12345678 BRK.A above 712345.678901")
    action = found.as_json()["action"]
    assert (action["quantity"], action["trigger_params"]) == (
        0.12345678,
        {"threshold": 712345.678901},
    )
    long = understood("buy 123456789012.12345678 AAPL below 150").as_json()["action"]
    assert long["quantity"] == "123456789012.12345678"
