"""The replay's market is drawn from the bars alone: properties that hold for any bars and pace."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.bars import read_bars
from market.providers import Provider
from market.providers.replay import PHASES, Replay, price_in
from market.quotes import Bar, Sample

START = datetime(2026, 11, 20, 15, tzinfo=UTC)
MONDAY = date(2008, 10, 6)
DAY = timedelta(days=1)
CRASH = date(2008, 10, 10)
DATA = Path(__file__).resolve().parents[2] / "market" / "data"

prices = st.decimals(Decimal("0.000001"), Decimal(10_000), places=6)


@st.composite
def bars(draw: st.DrawFn, symbol: str = "AAPL", day: date = MONDAY) -> Bar:
    low, *between, high = sorted(draw(st.lists(prices, min_size=4, max_size=4)))
    opening, closing = draw(st.permutations(between))
    return bar(symbol, day, (opening, high, low, closing), draw(st.integers(0, 10**10)))


def bar(symbol: str, day: date, ohlc: tuple[Decimal | int, ...], volume: int = 800) -> Bar:
    opening, high, low, close = map(Decimal, ohlc)
    at = datetime(day.year, day.month, day.day, 20, tzinfo=UTC)
    return Bar(symbol, at, opening, high, low, close, volume)


@st.composite
def replays(draw: st.DrawFn) -> Replay:
    """Some of three symbols trade on some of six days; the replay begins on the third."""
    days = [MONDAY + n * DAY for n in range(6)]
    recorded = {
        symbol: [
            draw(bars(symbol, day))
            for day in days
            if (symbol, day) == ("A", days[2]) or draw(st.booleans())
        ]
        for symbol in "ABC"
    }
    return Replay(recorded, START, days[2], draw(st.floats(0.001, 480)))


def decimals(*numbers: str) -> list[Decimal]:
    return [Decimal(number) for number in numbers]


def play(replay: Replay, seconds: float, symbol: str = "AAPL") -> Sample:
    (sample,) = replay.fetch([symbol], START + timedelta(seconds=seconds))
    return sample


@given(bar=bars())
def test_a_session_opens_at_its_open_closes_at_its_close_and_meets_both_extremes(bar: Bar) -> None:
    path = [price_in(bar, phase) for phase in range(PHASES)]
    assert path[0] == bar.open
    assert path[-1] == bar.close
    assert max(path) == bar.high
    assert min(path) == bar.low


@given(bar=bars())
def test_a_session_that_rises_meets_its_low_first_and_one_that_falls_its_high(bar: Bar) -> None:
    path = [price_in(bar, phase) for phase in range(PHASES)]
    low, high = path.index(bar.low), path.index(bar.high)
    if bar.low < min(bar.open, bar.close) and max(bar.open, bar.close) < bar.high:
        assert (low < high) == (bar.close >= bar.open)


def test_the_path_runs_straight_between_the_waypoints() -> None:
    rising = bar("AAPL", MONDAY, (100, 130, 90, 120))
    path = [price_in(rising, phase).quantize(Decimal("0.01")) for phase in range(PHASES)]
    assert path == decimals("100", "95", "90", "103.33", "116.67", "130", "125", "120")


@given(replay=replays(), seconds=st.floats(0, 4000), later=st.floats(0, 1000))
def test_time_never_runs_backwards_and_prices_stay_within_their_bars(
    replay: Replay, seconds: float, later: float
) -> None:
    now = START + timedelta(seconds=seconds)
    first = {sample.symbol: sample for sample in replay.fetch("ABC", now)}
    then = {sample.symbol: sample for sample in replay.fetch("ABC", now + timedelta(seconds=later))}
    assert first.keys() <= then.keys()
    for symbol, sample in first.items():
        assert START <= sample.as_of <= now
        assert sample.as_of <= then[symbol].as_of
        played = next(bar for bar in replay._bars[symbol] if bar.session.isoformat() == sample.note)
        assert played.low <= sample.price <= played.high
        assert sample.volume is not None
        assert 0 <= sample.volume <= played.volume


@given(replay=replays(), seconds=st.floats(0, 4000))
def test_the_same_instant_and_a_phases_first_instant_show_the_same_market(
    replay: Replay, seconds: float
) -> None:
    now = START + timedelta(seconds=seconds)
    for sample in replay.fetch("ABC", now):
        assert replay.fetch([sample.symbol], now) == [sample]
        assert replay.fetch([sample.symbol], sample.as_of) == [sample]


@given(replay=replays())
def test_before_the_start_there_is_no_market(replay: Replay) -> None:
    before = START - timedelta(microseconds=1)
    assert replay.fetch("ABC", before) == []
    assert replay.position(before) is None
    assert not replay.ended(before)


def two_sessions(session_seconds: float = 8) -> Replay:
    return Replay(
        {
            "AAPL": [
                bar("AAPL", MONDAY - DAY, (70, 72, 69, 71)),
                bar("AAPL", MONDAY, (100, 130, 90, 120)),
                bar("AAPL", MONDAY + DAY, (110, 115, 80, 85)),
            ],
            "IBM": [bar("IBM", MONDAY - DAY, (70, 72, 69, 71)), bar("IBM", MONDAY, (7, 9, 6, 8))],
            "NEW": [bar("NEW", MONDAY + DAY, (10, 11, 9, 10))],
            "OLD": [bar("OLD", MONDAY - DAY, (10, 11, 9, 10))],
        },
        START,
        MONDAY,
        session_seconds,
    )


def test_a_session_plays_in_eight_phases() -> None:
    replay = two_sessions()
    samples = [play(replay, second + 0.5) for second in range(16)]
    assert [sample.price for sample in samples[8:]] == decimals(
        "110", "112.5", "115", "103.33", "91.67", "80", "82.5", "85"
    )
    assert [sample.volume for sample in samples] == [100, 200, 300, 400, 500, 600, 700, 800] * 2
    assert [sample.interpolated for sample in samples] == [False, *[True] * 6, False] * 2
    assert [sample.as_of for sample in samples] == [
        START + timedelta(seconds=second) for second in range(16)
    ]
    assert {sample.note for sample in samples[:8]} == {"2008-10-06"}
    assert {sample.previous_close for sample in samples[:8]} == {Decimal(71)}
    assert {sample.previous_close for sample in samples[8:]} == {Decimal(120)}


def test_after_the_last_session_its_close_stays_and_grows_old() -> None:
    replay = two_sessions()
    close = play(replay, 15)
    assert play(replay, 1_000_000) == close
    assert close.as_of == START + timedelta(seconds=15)


def test_position_names_the_session_that_plays() -> None:
    replay = two_sessions()
    seconds = [0, 7.9, 8, 15.9, 16]
    at = [START + timedelta(seconds=second) for second in seconds]
    assert [replay.position(now) for now in at] == [
        MONDAY,
        MONDAY,
        MONDAY + DAY,
        MONDAY + DAY,
        None,
    ]
    assert [replay.ended(now) for now in at] == [False, False, False, False, True]


def test_a_symbol_that_does_not_trade_keeps_its_last_close_and_grows_old() -> None:
    replay = two_sessions()
    assert play(replay, 12, "IBM") == play(replay, 7, "IBM")
    assert play(replay, 12, "IBM").price == 8


def test_a_symbol_is_absent_until_its_first_session_plays() -> None:
    replay = two_sessions()
    assert replay.fetch(["NEW", "OLD", "NONE"], START) == []
    assert play(replay, 8, "NEW").previous_close is None
    assert replay.fetch(["OLD"], START + timedelta(seconds=12)) == []


def test_the_replay_begins_at_the_first_session_on_or_after_the_day() -> None:
    recorded = {"AAPL": [bar("AAPL", MONDAY, (1, 1, 1, 1))]}
    replay = Replay(recorded, START, MONDAY - 3 * DAY, 1)
    assert replay.position(START) == MONDAY


@pytest.mark.parametrize(
    ("recorded", "start", "seconds", "message"),
    [
        ({}, START, 1, "There is no bar on or after 2008-10-06"),
        ({"A": [bar("A", MONDAY - DAY, (1, 1, 1, 1))]}, START, 1, "There is no bar on or after"),
        ({"A": [bar("A", MONDAY, (1, 1, 1, 1))]}, START.replace(tzinfo=None), 1, "no time zone"),
        ({"A": [bar("A", MONDAY, (1, 1, 1, 1))]}, START, 0, "too short"),
        ({"A": [bar("A", MONDAY, (1, 1, 1, 1))]}, START, -1, "too short"),
    ],
)
def test_a_replay_that_cannot_play_says_why(
    recorded: dict[str, list[Bar]], start: datetime, seconds: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Replay(recorded, start, MONDAY, seconds)


def test_the_crash_of_2008_plays_from_the_shipped_bars() -> None:
    recorded = read_bars(DATA / "daily_wiki_2000_2013_splitadj.csv")
    replay: Provider = Replay(recorded, START, CRASH, 2)
    samples = replay.fetch(list(recorded), START + timedelta(seconds=1.9))
    assert {sample.symbol for sample in samples} == {"AAPL", "IBM", "MSFT", "GOOG"}
    for sample in samples:
        played = next(bar for bar in recorded[sample.symbol] if bar.session == CRASH)
        assert (sample.price, sample.volume) == (played.close, played.volume)


# --- Completed sessions ---


@given(replay=replays(), count=st.integers(1, 8))
def test_a_completed_session_is_dated_by_the_instant_its_close_was_played(
    replay: Replay, count: int
) -> None:
    for now in (START, START + timedelta(seconds=1), replay.calendar.next_close(START)):
        for symbol, bars_ in replay.history("ABC", now, count).items():
            assert len(bars_) <= count
            assert all(bar.at <= now for bar in bars_)
            assert [bar.at for bar in bars_] == sorted({bar.at for bar in bars_})
            for bar in bars_:
                if bar.at >= START:
                    (sample,) = replay.fetch([symbol], bar.at)
                    assert (sample.price, sample.as_of) == (bar.close, bar.at)


def test_sessions_from_before_the_replay_count_at_the_same_pace() -> None:
    days = [MONDAY + n * DAY for n in range(4)]
    recorded = {"AAPL": [bar("AAPL", day, (n, n, n, n)) for n, day in enumerate(days, 1)]}
    replay = Replay(recorded, START, days[2], 8)
    at_the_start = replay.history(["AAPL"], START, 10)["AAPL"]
    assert [int(b.close) for b in at_the_start] == [1, 2]
    assert [b.at - START for b in at_the_start] == [timedelta(seconds=-9), timedelta(seconds=-1)]
    at_the_close = replay.history(["AAPL"], START + timedelta(seconds=7), 2)["AAPL"]
    assert [int(b.close) for b in at_the_close] == [2, 3]


def test_its_calendar_closes_when_its_sessions_do() -> None:
    replay = two_sessions()
    close = START + timedelta(seconds=7)
    assert replay.calendar.next_close(START) == close
    assert replay.calendar.next_close(close) == close + timedelta(seconds=8)
    assert replay.calendar.last_close(close) == close
    assert replay.calendar.last_close(START) == close - timedelta(seconds=8)
    assert replay.calendar.is_open(close)
