"""What each effect does when its rule fires, and which sizes it refuses."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actions.parts import InvalidRule
from actions.registry import parse_effect
from actions.rules import Desk, Effect, Plan
from market.quotes import Sample
from portfolios.ledger import Order, Position, Refusal, RefusalCode, Side, Snapshot
from tests.unit.conftest import NOW, a_rule

NOT_NUMBERS = [True, False, "NaN", "Infinity", float("nan"), float("inf"), "1e999", "abc", "", []]


def desk(price: str | Decimal = "150", held: str | Decimal | None = None) -> Desk:
    positions = {} if held is None else {"AAPL": Position(Decimal(held), Decimal(1))}
    return Desk(
        now=NOW,
        quotes={"AAPL": Sample(symbol="AAPL", price=Decimal(price), as_of=NOW)},
        portfolio=Snapshot(Decimal(10_000), positions),
    )


def orders_of(effect: Effect, at: Desk) -> tuple[Order, ...]:
    plan = effect.plan(a_rule(effect=effect), at)
    assert isinstance(plan, Plan)
    return plan.orders


def the_order(effect: Effect, at: Desk) -> Order:
    (order,) = orders_of(effect, at)
    return order


def buy(**sizes: object) -> Effect:
    return parse_effect("BUY", sizes=sizes, params={})


def sell(fraction: object = None, **sizes: object) -> Effect:
    params = {} if fraction is None else {"fraction": fraction}
    return parse_effect("SELL", sizes=sizes, params=params)


def errors_of(action_type: str, sizes: dict[str, Any], params: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidRule) as refused:
        parse_effect(action_type, sizes=sizes, params=params)
    return refused.value.errors


# --- One size, and only one ---


@pytest.mark.parametrize(
    ("action_type", "sizes", "params", "found"),
    [
        ("BUY", {}, {}, "quantity or amount_usd; none is set."),
        (
            "BUY",
            {"quantity": "1", "amount_usd": "1"},
            {},
            "quantity or amount_usd; quantity and amount_usd are set.",
        ),
        ("SELL", {}, {}, "quantity or amount_usd or fraction; none is set."),
        ("SELL", {"quantity": "1"}, {"fraction": "1"}, "; quantity and fraction are set."),
        ("SELL", {"amount_usd": "1"}, {"fraction": "1"}, "; amount_usd and fraction are set."),
        (
            "SELL",
            {"quantity": "1", "amount_usd": "1"},
            {"fraction": "1"},
            "; quantity and amount_usd and fraction are set.",
        ),
    ],
)
def test_a_trade_has_exactly_one_size(
    action_type: str, sizes: dict[str, Any], params: dict[str, Any], found: str
) -> None:
    errors = errors_of(action_type, sizes, params)
    assert errors.keys() == {"quantity"}
    assert errors["quantity"].startswith("Set exactly one of quantity or amount_usd")
    assert errors["quantity"].endswith(found)


@pytest.mark.parametrize("action_type", ["BUY", "SELL"])
@pytest.mark.parametrize("size", ["quantity", "amount_usd"])
@pytest.mark.parametrize("value", [*NOT_NUMBERS, 0, "0", "-1", "1" * 40], ids=repr)
def test_what_is_no_number_above_zero_is_no_size(
    action_type: str, size: str, value: object
) -> None:
    assert errors_of(action_type, {size: value}, {}).keys() == {size}


@pytest.mark.parametrize(
    ("size", "finest", "too_fine"),
    [("quantity", "0.00000001", "0.000000001"), ("amount_usd", "0.01", "0.001")],
)
def test_a_size_has_no_more_decimals_than_the_ledger_keeps(
    size: str, finest: str, too_fine: str
) -> None:
    assert buy(**{size: finest}).model_dump()[size] == Decimal(finest)
    assert errors_of("BUY", {size: too_fine}, {}).keys() == {size}


def test_a_number_with_too_many_digits_is_refused_however_many() -> None:
    assert errors_of("BUY", {"quantity": f"1.{'0' * 30}1"}, {}).keys() == {"quantity"}


# --- A part of the position ---


def test_a_part_of_the_largest_position_is_cut_and_never_rounded_up() -> None:
    half = the_order(sell("0.5"), desk("0.000001", held="99999999999999999999.99999999"))
    assert half.quantity == Decimal("49999999999999999999.99999999")


@pytest.mark.parametrize("value", [*NOT_NUMBERS, 0, "0", "-0.5", "1.0000001", 2], ids=repr)
def test_what_is_not_above_zero_and_at_most_one_is_no_fraction(value: object) -> None:
    assert errors_of("SELL", {}, {"fraction": value}).keys() == {"action_params.fraction"}


def test_buying_has_no_fraction() -> None:
    assert errors_of("BUY", {"quantity": "1"}, {"fraction": "1"}) == {
        "action_params.fraction": "There is no such parameter."
    }


@pytest.mark.parametrize("sizes", [{}, {"quantity": "1"}], ids=["alone", "beside a quantity"])
def test_a_fraction_of_null_is_none_at_all_or_refused_but_no_crash(sizes: dict[str, Any]) -> None:
    try:
        effect = parse_effect("SELL", sizes=sizes, params={"fraction": None})
    except InvalidRule as refused:
        assert refused.errors.keys() <= {"quantity", "action_params.fraction"}  # noqa: PT017
    else:
        assert effect == sell(**sizes)


@pytest.mark.parametrize(
    ("fraction", "held", "sold"),
    [
        ("1", "20", "20"),
        (1, "0.00000001", "0.00000001"),
        ("0.5", "20", "10"),
        (0.5, "3", "1.5"),
        ("0.333333333333", "10", "3.33333333"),  # rounded down to 8 decimals
        ("0.5", "0.00000003", "0.00000001"),
        ("0.999999999999", "10", "9.99999999"),
    ],
)
def test_a_fraction_is_of_what_is_held_when_it_fires(
    fraction: object, held: str, sold: str
) -> None:
    order = the_order(sell(fraction), desk(held=held))
    assert (order.side, order.symbol, order.quantity) == (Side.SELL, "AAPL", Decimal(sold))


@given(
    st.decimals("0.000001", 1, places=6),
    st.decimals("0.00000001", "99999999999999999999.99999999", places=8),
)
def test_a_fraction_never_sells_more_than_is_held(fraction: Decimal, held: Decimal) -> None:
    order = the_order(sell(fraction), desk(held=held))
    assert order.quantity <= held
    assert (fraction == 1) <= (order.quantity == held)


@pytest.mark.parametrize("fraction", ["1", "0.5"])
def test_a_fraction_of_nothing_is_refused_in_words(fraction: str) -> None:
    refusal = sell(fraction).plan(a_rule(effect=sell(fraction)), desk(held=None))
    assert refusal == Refusal(RefusalCode.INSUFFICIENT_SHARES, "There is no AAPL to sell.")


def test_a_fraction_without_a_portfolio_is_refused() -> None:
    blind = Desk(now=NOW, quotes=desk().quotes, portfolio=None)
    refusal = sell("1").plan(a_rule(effect=sell("1")), blind)
    assert isinstance(refusal, Refusal)
    assert refusal.code is RefusalCode.INSUFFICIENT_SHARES


# --- Shares and amounts ---


def test_a_quantity_is_traded_as_it_is_at_the_price_of_the_moment() -> None:
    at = desk("151.123456")
    assert orders_of(buy(quantity="10"), at) == (
        Order(Side.BUY, "AAPL", Decimal(10), Decimal("151.123456")),
    )
    assert orders_of(sell(quantity="0.00000001"), at) == (
        Order(Side.SELL, "AAPL", Decimal("0.00000001"), Decimal("151.123456")),
    )


@pytest.mark.parametrize("make", [buy, sell])
@pytest.mark.parametrize(
    ("amount", "price", "shares"),
    [
        ("2000", "100", "20"),
        ("2000", "150", "13.333333"),
        ("200", "300", "0.666666"),  # down, where half up would give 0.666667
        ("1", "0.000001", "1000000"),
        ("0.01", "10000", "0.000001"),
        ("0.01", "10000.000001", "0"),  # which the ledger refuses
        ("999999999999.99", "0.000003", "333333333333330000"),
    ],
)
def test_an_amount_is_shares_rounded_down_to_6_decimals(
    make: Any, amount: str, price: str, shares: str
) -> None:
    assert the_order(make(amount_usd=amount), desk(price)).quantity == Decimal(shares)


@given(st.decimals("0.01", 1_000_000, places=2), st.decimals("0.000001", 5000, places=6))
def test_an_amount_never_costs_more_than_itself(amount: Decimal, price: Decimal) -> None:
    order = the_order(buy(amount_usd=amount), desk(price))
    assert order.quantity * price <= amount
    assert (order.quantity + Decimal("0.000001")) * price > amount


# --- Telling ---


def test_a_notice_trades_nothing_and_says_the_owners_words() -> None:
    effect = parse_effect("NOTIFY", sizes={}, params={"message": "Look at earnings."})
    assert effect.plan(a_rule(effect=effect), desk()) == Plan((), "Look at earnings.")
    assert not effect.trades


def test_a_notice_needs_neither_words_nor_a_quote_nor_a_portfolio() -> None:
    effect = parse_effect("NOTIFY", sizes={}, params={})
    rule = a_rule(effect=effect)
    assert effect.symbols(rule) == frozenset()
    assert effect.plan(rule, Desk(now=NOW, quotes={})) == Plan()


def test_a_notice_with_a_character_that_cannot_be_stored_is_refused() -> None:
    assert errors_of("NOTIFY", {}, {"message": "a\0b"}).keys() == {"action_params.message"}


# --- Symbols and words ---


@pytest.mark.parametrize(
    ("effect", "words"),
    [(buy(quantity="1"), "Say which symbol to buy."), (sell("1"), "Say which symbol to sell.")],
)
def test_a_trade_needs_a_symbol(effect: Effect, words: str) -> None:
    with pytest.raises(InvalidRule) as refused:
        effect.check(None)
    assert refused.value.errors == {"symbol": words}
    effect.check("AAPL")
    assert effect.symbols(a_rule(effect=effect)) == {"AAPL"}


def test_a_notice_needs_no_symbol() -> None:
    effect = parse_effect("NOTIFY", sizes={}, params={})
    effect.check(None)
    assert effect.describe(None) == "Notify me"


@pytest.mark.parametrize(
    ("effect", "words"),
    [
        (buy(quantity="10.50000000"), "Buy 10.5 AAPL"),
        (buy(quantity="1000"), "Buy 1,000 AAPL"),
        (buy(amount_usd="2000"), "Buy $2,000.00 of AAPL"),
        (sell(amount_usd="0.5"), "Sell $0.50 of AAPL"),
        (sell("1.0"), "Sell all of your AAPL"),
        (sell("0.1"), "Sell 10 % of your AAPL"),
        (sell("0.125"), "Sell 12.5 % of your AAPL"),
    ],
)
def test_a_size_is_described_as_people_write_it(effect: Effect, words: str) -> None:
    assert effect.describe("AAPL") == words
