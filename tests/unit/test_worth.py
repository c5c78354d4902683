"""What holdings are worth, how that has changed, and how it is divided."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from market.quotes import Sample
from portfolios.allocation import MOST_SLICES, allocation
from portfolios.ledger import Position
from portfolios.worth import Traded, Worth, change_since, together, worth

CLOSE = datetime(2026, 11, 16, 21, 0, tzinfo=UTC)
NOW = CLOSE + timedelta(hours=18)


def quote(symbol: str, price: str, before: str | None = None, at: datetime = NOW) -> Sample:
    close = Decimal(before) if before else None
    return Sample(symbol, Decimal(price), at, previous_close=close)


def of(cash: int = 0, **held: tuple[str, str, str]) -> tuple[Worth, dict[str, Sample]]:
    """A worth of symbols: shares, what they cost, their price ("" for none)."""
    quotes = {symbol: quote(symbol, price) for symbol, (_, _, price) in held.items() if price}
    positions = {
        symbol: Position(Decimal(shares), Decimal(cost))
        for symbol, (shares, cost, _) in held.items()
    }
    return worth(cash=Decimal(cash), positions=positions, quotes=quotes), quotes


def test_a_holding_has_its_value_its_gain_and_its_weight() -> None:
    total, _ = of(900, AAPL=("10", "1000", "110"), IBM=("1", "500", "400"))
    apple, ibm = total.holdings
    assert [apple.value, apple.gain, apple.gain_percent] == [1100, 100, 10]
    assert ibm.symbol == "IBM"
    assert ibm.gain == -100
    assert apple.average_cost == 100
    assert total.value == 2400
    assert total.cash_weight == Decimal("37.5")
    assert apple.weight is not None
    assert round(apple.weight, 1) == Decimal("45.8")


def test_what_has_no_price_has_no_value_and_is_named() -> None:
    total, _ = of(100, AAPL=("10", "1000", ""), IBM=("1", "1", "2"))
    assert total.value == 102
    assert total.unpriced == ["AAPL"]
    assert total.holdings[-1].gain is None
    assert total.holdings[-1].weight is None


def test_what_cost_nothing_has_no_gain_in_percent() -> None:
    total, _ = of(AAPL=("0.00000001", "0", "110"))
    assert total.holdings[0].gain_percent is None


def test_shares_that_were_held_change_from_the_close() -> None:
    total, _ = of(0, AAPL=("10", "1000", "110"))
    change = change_since(
        began=CLOSE, now=total, traded={}, quotes={"AAPL": quote("AAPL", "110", "100")}
    )
    assert [change.usd, change.percent] == [100, 10]


def test_shares_bought_since_change_from_what_they_cost_and_sold_ones_to_what_they_brought() -> (
    None
):
    total, _ = of(0, AAPL=("10", "1080", "110"))
    quotes = {"AAPL": quote("AAPL", "110", "100"), "IBM": quote("IBM", "50", "60")}
    traded = {
        "AAPL": Traded(Decimal(10), Decimal(-1080)),
        "IBM": Traded(Decimal(-2), Decimal(130)),  # at 65, with a close at 60: $10 gained
    }
    assert change_since(began=CLOSE, now=total, traded=traded, quotes=quotes).usd == 30


def test_a_price_from_before_the_close_has_not_moved_since() -> None:
    total, _ = of(0, AAPL=("10", "1000", "110"))
    old = quote("AAPL", "110", "100", at=CLOSE)
    assert change_since(began=CLOSE, now=total, traded={}, quotes={"AAPL": old}).usd == 0


def test_a_change_that_is_not_known_is_left_out_and_named() -> None:
    total, quotes = of(0, AAPL=("10", "1000", "110"), IBM=("1", "1", ""), FB=("1", "1", "2"))
    split = {"FB": Traded(Decimal(0), Decimal(0), split=True)}
    change = change_since(began=CLOSE, now=total, traded=split, quotes=quotes)
    assert change.usd == 0
    assert change.without == ("AAPL", "FB", "IBM")


def test_there_is_no_percent_of_nothing() -> None:
    total, quotes = of(0)
    assert change_since(began=CLOSE, now=total, traded={}, quotes=quotes).percent is None


def test_positions_of_several_portfolios_are_one() -> None:
    two = [("AAPL", Position(Decimal(1), Decimal(10))), ("AAPL", Position(Decimal(2), Decimal(5)))]
    assert together(two) == {"AAPL": Position(Decimal(3), Decimal(15))}


def test_the_slices_fill_the_bar_with_the_smallest_in_one() -> None:
    held = {f"T{n}": ("1", "1", str(10 + n)) for n in range(MOST_SLICES + 3)}
    total, _ = of(50, **held)
    slices = allocation(total)
    assert [each.label for each in slices[-2:]] == ["3 others", "Cash"]
    assert len(slices) == MOST_SLICES + 2
    end = slices[-1].begin + slices[-1].width
    assert abs(end - 100) < Decimal("0.1")


def test_nothing_is_drawn_of_nothing() -> None:
    assert allocation(of(0)[0]) == []
    assert [each.width for each in allocation(of(10)[0])] == [100]
