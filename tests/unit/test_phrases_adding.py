"""What was asked for may be answered in a word, and nothing that was said before is left out."""

import pytest

from chat.phrases import Intent
from chat.phrases.adding import added
from tests.unit.test_phrases import understood


@pytest.mark.parametrize(
    ("before", "answer", "reads"),
    [
        (
            "sell AAPL if it drops below 170",
            "10 shares",
            "Sell 10 AAPL when the price is at or below",
        ),
        ("sell AAPL if it drops below 170", "10", "Sell 10 AAPL when the price is at or below"),
        ("sell AAPL if it drops below 170", "half", "Sell 50 % of your AAPL when"),
        ("sell 10 if it drops below 170", "AAPL", "Sell 10 AAPL when the price is at or below"),
        ("sell 10 if it drops below 170", "Apple Inc.", "Sell 10 AAPL when the price is"),
        ("sell 10 if MSFT drops below 400", "AAPL", "Sell 10 AAPL when MSFT's price is at or"),
        ("sell 10 AAPL", "at 190", "Sell 10 AAPL when the price is at or above $190.00"),
        ("buy 10 google below 150", "GOOGL", "Buy 10 GOOGL when the price is at or below"),
        ("buy 10 Delta below 40", "DAL", "Buy 10 DAL when the price is at or below $40.00"),
        ("buy 500 in AAPL below 170", "$500", "Buy $500.00 of AAPL when the price is at or"),
        ("buy 500 in AAPL below 170", "500 shares", "Buy 500 AAPL when the price is at or"),
        ("alert me when KO hits 70", "at or above $70", "Notify me about KO when the price is at"),
        ("buy 10 AAPL on Friday at 10", "at 10:00", "Buy 10 AAPL at 10:00 New York on Fri"),
        ("trailing stop 8% on NVDA", "5", "Sell 5 NVDA when the price falls 8 % from its peak"),
    ],
)
def test_an_answer_is_put_where_it_was_missing(before: str, answer: str, reads: str) -> None:
    asked = understood(before)
    assert asked.intent is Intent.ASK
    assert added(before, asked.text, answer, understood).text.startswith(reads)


@pytest.mark.parametrize(
    ("before", "answer"),
    [
        ("don't sell AAPL if it drops below 170", "10 shares"),
        ("sell AAPL below 170 pre-market", "10 shares"),
        ("sell AAPL below 170 while SPY is above 500", "10"),
        ("sell AAPL if it drops below 170", "never mind"),
        ("sell AAPL if it drops below 170", "10 shares of MSFT"),
        ("sell AAPL if it drops below 170", "no"),
        ("sell 10 AAPL", "190"),
        ("sell 10 " + "please " * 40 + "if it drops below 170", "AAPL"),
    ],
)
def test_where_it_makes_no_rule_it_is_read_by_itself(before: str, answer: str) -> None:
    found = added(before, understood(before).text, answer, understood)
    assert (found.intent, found.text) == (Intent.ASK, understood(answer).text)
