from decimal import Decimal
from typing import Any

import pytest

from portfolios import ledger, money
from portfolios.ledger import Entry, Kind, Order, Position, Refusal, Side, Snapshot

D = Decimal


def buy(quantity: str, price: str, symbol: str = "AAPL") -> Order:
    return Order(Side.BUY, symbol, D(quantity), D(price))


def sell(quantity: str, price: str, symbol: str = "AAPL") -> Order:
    return Order(Side.SELL, symbol, D(quantity), D(price))


def applied(snapshot: Snapshot, order: Order) -> tuple[Entry, Snapshot]:
    result = ledger.apply(snapshot, order)
    assert not isinstance(result, Refusal), result.message
    return result


def refused(result: object) -> tuple[str, str]:
    assert isinstance(result, Refusal)
    return result.code, result.message


def test_a_purchase_moves_cash_into_the_position_and_its_basis() -> None:
    entry, after = applied(Snapshot(cash=D("1000")), buy("2.5", "100.10"))
    assert entry == Entry(
        kind=Kind.BUY,
        symbol="AAPL",
        quantity=D("2.5"),
        price=D("100.10"),
        amount=D("-250.25"),
        cash_after=D("749.75"),
        quantity_after=D("2.5"),
        cost_basis_after=D("250.25"),
    )
    assert after == Snapshot(D("749.75"), {"AAPL": Position(D("2.5"), D("250.25"))})


def test_a_sale_takes_the_basis_away_in_proportion_rounded_half_up() -> None:
    before = Snapshot(D(0), {"AAPL": Position(D(3), D("100.00"))})
    entry, after = applied(before, sell("1", "50"))
    assert entry.quantity == D(-1)
    assert entry.amount == D("50.00")
    assert after.positions["AAPL"] == Position(D(2), D("66.67"))


def test_the_last_share_takes_the_position_with_it() -> None:
    before = Snapshot(D(0), {"AAPL": Position(D(3), D("100.01"))})
    entry, after = applied(before, sell("3", "50"))
    assert (entry.quantity_after, entry.cost_basis_after) == (D(0), D(0))
    assert after == Snapshot(D("150.00"), {})


def test_an_amount_is_rounded_half_up_to_cents() -> None:
    entry, _ = applied(Snapshot(cash=D(10)), buy("0.5", "0.01"))
    assert entry.amount == D("-0.01")
    before = Snapshot(D(0), {"AAPL": Position(D(1), D(1))})
    assert applied(before, sell("0.5", "0.03"))[0].amount == D("0.02")


def test_an_order_leaves_the_snapshot_that_it_was_applied_to_alone() -> None:
    before = Snapshot(D(100), {"AAPL": Position(D(1), D(1))})
    applied(before, sell("1", "1"))
    assert before == Snapshot(D(100), {"AAPL": Position(D(1), D(1))})


def test_the_last_cent_can_be_spent_and_one_more_cannot() -> None:
    assert applied(Snapshot(cash=D("150.25")), buy("1", "150.25"))[1].cash == 0
    assert refused(ledger.apply(Snapshot(cash=D("150.25")), buy("10", "200"))) == (
        "insufficient_cash",
        "Buying 10 AAPL at $200.00 needs $2,000.00, but there is $150.25 in cash.",
    )


def test_more_than_is_held_cannot_be_sold() -> None:
    held = Snapshot(D(0), {"AAPL": Position(D("4.5"), D(1))})
    assert refused(ledger.apply(held, sell("10", "200"))) == (
        "insufficient_shares",
        "Selling 10 AAPL needs that many shares, but the portfolio holds 4.5.",
    )
    assert refused(ledger.apply(held, sell("1", "200", "MSFT")))[1].endswith("holds 0.")


@pytest.mark.parametrize(
    ("order", "code"),
    [
        (buy("0", "1"), "invalid_quantity"),
        (buy("-1", "1"), "invalid_quantity"),
        (sell("-1", "1"), "invalid_quantity"),
        (buy("NaN", "1"), "invalid_quantity"),
        (buy("Infinity", "1"), "invalid_quantity"),
        (buy("0.000000001", "1"), "invalid_quantity"),
        (buy("1E+21", "1"), "invalid_quantity"),
        (buy("0.1", "0.04"), "invalid_quantity"),
        (buy("1", "0"), "invalid_price"),
        (buy("1", "-1"), "invalid_price"),
        (buy("1", "NaN"), "invalid_price"),
        (buy("1", "0.0000001"), "invalid_price"),
        (buy("99999999999999999999", "1"), "too_large"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(order: Order, code: str) -> None:
    assert refused(ledger.apply(Snapshot(cash=D(1000)), order))[0] == code


def test_dust_worth_less_than_half_a_cent_can_be_sold_but_not_bought() -> None:
    held = Snapshot(D(1), {"AAPL": Position(D("0.1"), D("0.01"))})
    assert refused(ledger.apply(held, buy("0.1", "0.04"))) == (
        "invalid_quantity",
        "0.1 AAPL at $0.04 is less than half a cent: too little to buy.",
    )
    entry, after = applied(held, sell("0.1", "0.04"))
    assert (entry.amount, after) == (D(0), Snapshot(D(1), {}))


def test_what_was_rounded_down_to_no_share_is_told_so() -> None:
    order = Order(Side.SELL, "AAPL", D("0E-8"), D(150))
    assert refused(ledger.apply(Snapshot(), order)) == (
        "invalid_quantity",
        "That comes to 0 shares of AAPL: too little to sell.",
    )


def test_nothing_grows_beyond_what_the_columns_hold() -> None:
    full = Snapshot(money.MAX_USD, {"AAPL": Position(money.MAX_QUANTITY, money.MAX_USD)})
    assert refused(ledger.apply(full, sell("1", "1")))[0] == "too_large"
    assert refused(ledger.apply(full, buy("1", "1")))[0] == "too_large"
    assert refused(ledger.deposit(full, D("0.01")))[0] == "too_large"


@pytest.mark.parametrize("number", [1.5, 1, "1"])
def test_floats_and_other_types_never_get_in(number: Any) -> None:
    with pytest.raises(TypeError):
        Order(Side.BUY, "AAPL", number, D(1))
    with pytest.raises(TypeError):
        Order(Side.BUY, "AAPL", D(1), number)
    with pytest.raises(TypeError):
        ledger.deposit(Snapshot(), number)
    with pytest.raises(TypeError):
        ledger.shares_for_amount(number, D(1))


def test_money_comes_and_goes() -> None:
    result = ledger.deposit(Snapshot(), D("100.50"))
    assert not isinstance(result, Refusal)
    entry, snapshot = result
    assert entry == Entry(kind=Kind.DEPOSIT, amount=D("100.50"), cash_after=D("100.50"))
    result = ledger.withdraw(snapshot, D("100.50"))
    assert not isinstance(result, Refusal)
    entry, snapshot = result
    assert entry == Entry(kind=Kind.WITHDRAWAL, amount=D("-100.50"), cash_after=D(0))
    assert refused(ledger.withdraw(snapshot, D("0.01"))) == (
        "insufficient_cash",
        "The withdrawal needs $0.01, but there is $0.00 in cash.",
    )


@pytest.mark.parametrize("amount", ["0", "-1", "0.001", "NaN", "1E+18"])
def test_an_amount_that_is_none_is_refused(amount: str) -> None:
    for move in (ledger.deposit, ledger.withdraw):
        assert refused(move(Snapshot(cash=D(5)), D(amount)))[0] == "invalid_amount"


def test_orders_see_the_effect_of_those_before_them() -> None:
    held = Snapshot(D(0), {"AAPL": Position(D(1), D(50))})
    result = ledger.apply_all(held, [sell("1", "100"), buy("2", "50", "MSFT")])
    assert not isinstance(result, Refusal)
    entries, after = result
    assert [entry.cash_after for entry in entries] == [D(100), D(0)]
    assert after == Snapshot(D(0), {"MSFT": Position(D(2), D(100))})


def test_one_refused_order_refuses_them_all() -> None:
    held = Snapshot(D(0), {"AAPL": Position(D(1), D(50))})
    result = ledger.apply_all(held, [sell("1", "100"), buy("3", "50", "MSFT")])
    assert refused(result)[0] == "insufficient_cash"
    assert ledger.apply_all(held, []) == ([], held)


def test_a_replay_does_not_believe_what_an_entry_says_came_after_it() -> None:
    entry, after = applied(Snapshot(cash=D(100)), buy("1", "10"))
    paid_in = Entry(kind=Kind.DEPOSIT, amount=D(100), cash_after=D(7))
    assert ledger.replay([paid_in, entry]) == after


def test_a_replay_stops_where_something_is_sold_or_spent_that_is_not_there() -> None:
    entry, _ = applied(Snapshot(cash=D(100)), buy("1", "10"))
    with pytest.raises(ValueError, match="spends more"):
        ledger.replay([entry])
    entry, _ = applied(Snapshot(D(0), {"AAPL": Position(D(1), D(1))}), sell("1", "10"))
    with pytest.raises(ValueError, match="sells more"):
        ledger.replay([entry])


def test_shares_for_an_amount_are_rounded_down_to_six_decimals() -> None:
    assert ledger.shares_for_amount(D(100), D(3)) == D("33.333333")
    assert ledger.shares_for_amount(D(200), D(3)) == D("66.666666")
    assert ledger.shares_for_amount(D(1), D(1000000000)) == 0
    for price in ("0", "-1", "NaN"):
        with pytest.raises(ValueError):
            ledger.shares_for_amount(D(100), D(price))
