"""What holds for every sequence of orders, whatever the numbers."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from portfolios import ledger
from portfolios.ledger import Entry, Order, Refusal, Side, Snapshot

prices = st.decimals("0.000001", 5000, places=6)
quantities = st.one_of(st.decimals("0.00000001", 50, places=8), st.integers(1, 50).map(Decimal))
orders = st.builds(
    Order,
    side=st.sampled_from(Side),
    symbol=st.sampled_from(["AAPL", "MSFT", "SPY"]),
    quantity=quantities,
    price=prices,
)
deposits = st.decimals("0.01", 100_000, places=2)


def played(paid_in: Decimal, sequence: list[Order]) -> tuple[list[Entry], Snapshot]:
    """Whatever of the sequence is accepted."""
    first = ledger.deposit(Snapshot(), paid_in)
    assert not isinstance(first, Refusal)
    entries, snapshot = [first[0]], first[1]
    for order in sequence:
        result = ledger.apply(snapshot, order)
        if not isinstance(result, Refusal):
            entry, snapshot = result
            entries.append(entry)
    return entries, snapshot


@given(deposits, st.lists(orders, max_size=30))
def test_nothing_is_ever_negative(paid_in: Decimal, sequence: list[Order]) -> None:
    entries, snapshot = played(paid_in, sequence)
    assert all(entry.cash_after >= 0 for entry in entries)
    for position in snapshot.positions.values():
        assert position.quantity > 0
        assert position.cost_basis >= 0


@given(deposits, st.lists(orders, max_size=30))
def test_the_entries_add_up_to_the_snapshot(paid_in: Decimal, sequence: list[Order]) -> None:
    entries, snapshot = played(paid_in, sequence)
    assert sum(entry.amount for entry in entries) == snapshot.cash == entries[-1].cash_after
    for symbol in ("AAPL", "MSFT", "SPY"):
        moved = sum(entry.quantity or 0 for entry in entries if entry.symbol == symbol)
        assert moved == snapshot.position(symbol).quantity
    assert ledger.replay(entries) == snapshot


@given(deposits, st.lists(orders, max_size=30))
def test_the_basis_is_gone_when_everything_is_sold(paid_in: Decimal, sequence: list[Order]) -> None:
    _, snapshot = played(paid_in, sequence)
    for symbol, position in list(snapshot.positions.items()):
        result = ledger.apply(snapshot, Order(Side.SELL, symbol, position.quantity, Decimal(1)))
        assert not isinstance(result, Refusal)
        entry, snapshot = result
        assert (entry.quantity_after, entry.cost_basis_after) == (Decimal(0), Decimal(0))
    assert snapshot.positions == {}


@given(deposits, st.lists(orders, max_size=10), st.lists(orders, max_size=6))
def test_a_batch_is_what_its_orders_are_one_by_one_or_nothing(
    paid_in: Decimal, sequence: list[Order], batch: list[Order]
) -> None:
    _, before = played(paid_in, sequence)
    snapshot, refusal, entries = before, None, []
    for order in batch:
        result = ledger.apply(snapshot, order)
        if isinstance(result, Refusal):
            refusal = result
            break
        entry, snapshot = result
        entries.append(entry)
    assert ledger.apply_all(before, batch) == (refusal or (entries, snapshot))


@given(deposits, prices)
def test_what_an_amount_buys_never_costs_more(amount: Decimal, price: Decimal) -> None:
    shares = ledger.shares_for_amount(amount, price)
    if shares:
        result = ledger.apply(Snapshot(cash=amount), Order(Side.BUY, "AAPL", shares, price))
        assert not isinstance(result, Refusal) or result.code == "invalid_quantity"
