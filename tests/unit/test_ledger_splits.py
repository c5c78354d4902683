"""What a split does to a portfolio: more shares or fewer, for the same cash and the same basis."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolios import ledger
from portfolios.ledger import Entry, Kind, Position, Refusal, Snapshot

D = Decimal
STEP = Fraction(1, 100_000_000)


def split(quantity: str, factor: Fraction, basis: str = "100.01") -> tuple[Entry, Snapshot]:
    before = Snapshot(D(5), {"AAPL": Position(D(quantity), D(basis)), "IBM": Position(D(1), D(2))})
    result = ledger.split(before, "AAPL", factor)
    assert not isinstance(result, Refusal), result.message
    assert result[1].positions["IBM"] == Position(D(1), D(2))
    return result


@pytest.mark.parametrize(
    ("held", "factor", "after"),
    [
        ("10", Fraction(7), "70"),
        ("10", Fraction(3, 2), "15"),
        ("10", Fraction(1, 8), "1.25"),
        ("10", Fraction(2, 3), "6.66666666"),
        ("0.00000001", Fraction(3, 2), "0.00000001"),
        ("99999999999999999999.99999999", Fraction(1, 3), "33333333333333333333.33333333"),
    ],
)
def test_shares_are_multiplied_and_cut_to_eight_decimals(
    held: str, factor: Fraction, after: str
) -> None:
    entry, snapshot = split(held, factor)
    assert entry == Entry(
        kind=Kind.SPLIT,
        amount=D(0),
        cash_after=D(5),
        symbol="AAPL",
        quantity=D(after) - D(held),
        quantity_after=D(after),
        cost_basis_after=D("100.01"),
    )
    assert snapshot.cash == 5
    assert snapshot.positions["AAPL"] == Position(D(after), D("100.01"))


def test_dust_that_is_cut_to_nothing_takes_its_basis_with_it() -> None:
    entry, snapshot = split("0.00000007", Fraction(1, 8), basis="0.01")
    assert (entry.quantity_after, entry.cost_basis_after) == (D(0), D(0))
    assert "AAPL" not in snapshot.positions


def test_what_is_not_held_or_grows_too_large_is_refused() -> None:
    none = ledger.split(Snapshot(), "AAPL", Fraction(7))
    assert isinstance(none, Refusal)
    assert (none.code, none.message) == ("insufficient_shares", "The portfolio holds no AAPL.")
    huge = Snapshot(D(0), {"AAPL": Position(D("50000000000000000000"), D(1))})
    refused = ledger.split(huge, "AAPL", Fraction(2))
    assert isinstance(refused, Refusal)
    assert refused.code == "too_large"
    assert refused.message == (
        "Split 2-for-1, 50,000,000,000,000,000,000 AAPL would exceed what a portfolio can hold."
    )


def test_a_factor_is_a_fraction_that_changes_something() -> None:
    held = Snapshot(D(0), {"AAPL": Position(D(1), D(1))})
    for none in (Fraction(1), Fraction(0), Fraction(-2)):
        with pytest.raises(ValueError, match="are no split"):
            ledger.split(held, "AAPL", none)
    for inexact in (7, 0.5, D(7)):
        with pytest.raises(TypeError, match="where a Fraction is needed"):
            ledger.split(held, "AAPL", inexact)  # type: ignore[arg-type]


quantities = st.decimals("0.00000001", 100_000, places=8)
factors = st.fractions(Fraction(1, 100), 100, max_denominator=100).filter(lambda f: f != 1)


@given(quantities, factors)
def test_what_is_cut_off_is_less_than_the_smallest_part_of_a_share(
    held: Decimal, factor: Fraction
) -> None:
    entry, _ = split(str(held), factor)
    assert entry.quantity_after is not None
    assert 0 <= Fraction(held) * factor - Fraction(entry.quantity_after) < STEP


@given(quantities, st.lists(factors, max_size=5))
def test_a_replay_understands_splits(held: Decimal, sequence: list[Fraction]) -> None:
    paid_in = ledger.deposit(Snapshot(), D("1000000"))
    assert not isinstance(paid_in, Refusal)
    order = ledger.Order(ledger.Side.BUY, "AAPL", held, D("7.5"))
    bought = ledger.apply(paid_in[1], order)
    if isinstance(bought, Refusal):
        return
    entries, snapshot = [paid_in[0], bought[0]], bought[1]
    for factor in sequence:
        result = ledger.split(snapshot, "AAPL", factor)
        if isinstance(result, Refusal):
            break
        entry, snapshot = result
        entries.append(entry)
    assert ledger.replay(entries) == snapshot
    if "AAPL" in snapshot.positions:
        assert snapshot.position("AAPL").cost_basis == -bought[0].amount
