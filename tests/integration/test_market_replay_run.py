"""Recorded sessions and their replay: the services and the two commands."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import DjangoAssertNumQueries, Settings

from market.models import DailyBar, Instrument, Quote, ReplayRun
from market.quotes import AlertLevels, Bar
from market.selectors import latest_quotes
from market.services import (
    SESSION_SECONDS_MAX,
    ProviderError,
    ReplayRefused,
    accept_quotes,
    fetch_quotes,
    import_bars,
    narrow_alerts,
    provider,
    replay,
    restart_replay,
)

pytestmark = pytest.mark.django_db

FRIDAY = date(2008, 10, 10)
SHIPPED = Path(__file__).resolve().parents[2] / "market" / "data"
HEADER = "symbol,timestamp,open,high,low,close,volume"


def bar(symbol: str, day: date, close: int) -> Bar:
    at = datetime(day.year, day.month, day.day, 20, tzinfo=UTC)
    price = Decimal(close)
    return Bar(symbol, at, price, price + 2, price - 2, price, 800)


def record(*bars: Bar) -> int:
    by_symbol = {
        bar.symbol: [other for other in bars if other.symbol == bar.symbol] for bar in bars
    }
    return import_bars(bars=by_symbol, names={"AAPL": "Apple Inc."})


def start(now: datetime, day: date = FRIDAY, seconds: str = "8") -> ReplayRun:
    return restart_replay(now=now, first_session=day, session_seconds=Decimal(seconds))


# --- Importing ---


def test_importing_adds_instruments_and_replaces_the_bars_of_its_symbols() -> None:
    Instrument.objects.create(symbol="IBM", name="Big Blue", is_active=False)
    record(bar("AAPL", FRIDAY, 97), bar("IBM", FRIDAY, 88))
    assert record(bar("AAPL", date(2008, 10, 13), 110)) == 1
    assert sorted(DailyBar.objects.values_list("instrument_id", "session", "close")) == [
        ("AAPL", date(2008, 10, 13), Decimal(110)),
        ("IBM", FRIDAY, Decimal(88)),
    ]
    assert sorted(Instrument.objects.values_list("symbol", "name", "is_active")) == [
        ("AAPL", "Apple Inc.", True),
        ("IBM", "Big Blue", False),
    ]


def test_the_shipped_bars_come_in_with_a_command() -> None:
    out = StringIO()
    call_command("import_bars", str(SHIPPED / "daily_wiki_2000_2013_splitadj.csv"), stdout=out)
    assert out.getvalue() == "Imported 12,154 sessions of AAPL, FB, GOOG, IBM, MSFT.\n"
    assert Instrument.objects.get(symbol="AAPL").name == "Apple Inc."
    assert not Instrument.objects.filter(name="").exists()
    first = DailyBar.objects.filter(instrument="AAPL").earliest("session")
    assert (first.session, first.at, first.close) == (
        date(2000, 3, 1),
        datetime(2000, 3, 1, 21, tzinfo=UTC),
        Decimal("32.5775"),
    )


def test_a_file_with_a_fault_imports_nothing(tmp_path: Path) -> None:
    record(bar("AAPL", FRIDAY, 97))
    file = tmp_path / "bars.csv"
    file.write_text(f"{HEADER}\nIBM,2008-10-10T20:00:00Z,1,1,1,1,1\nAAPL,today,1,1,1,1,1\n")
    with pytest.raises(CommandError, match=r"bars\.csv line 3: timestamp 'today' is not") as failed:
        call_command("import_bars", str(file))
    assert failed.value.returncode == 1
    assert [str(bar) for bar in DailyBar.objects.all()] == ["AAPL 2008-10-10"]
    assert not Instrument.objects.filter(symbol="IBM").exists()


# --- Replaying ---


def test_a_replay_that_was_not_started_names_the_command_that_starts_it() -> None:
    for ask in (provider, replay):
        with pytest.raises(ProviderError, match=r"Start one with `manage.py replay --from"):
            ask()


def test_a_replay_whose_bars_are_gone_names_the_command_that_imports_some(now: datetime) -> None:
    record(bar("AAPL", FRIDAY, 97))
    start(now)
    DailyBar.objects.all().delete()
    with pytest.raises(ProviderError, match=r"There is no bar .* `manage\.py import_bars FILE`"):
        fetch_quotes(symbols=["AAPL"], now=now)


def test_what_a_replay_plays_is_stored_and_wakes(now: datetime) -> None:
    record(bar("AAPL", FRIDAY, 97), bar("AAPL", date(2008, 10, 13), 110))
    start(now)
    narrow_alerts(levels={"AAPL": AlertLevels(above=Decimal(112))})
    woken = {}
    for second in range(16):
        at = now + timedelta(seconds=second)
        samples = fetch_quotes(symbols=["AAPL"], now=at).samples
        woken[second] = accept_quotes(samples=samples, now=at, max_age=timedelta(seconds=60))
    assert [second for second, symbols in woken.items() if symbols] == [13]  # the second high
    last = latest_quotes(symbols=["AAPL"])["AAPL"]
    assert (last.price, last.note, last.previous_close) == (Decimal(110), "2008-10-13", Decimal(97))


def test_the_bars_are_read_once_a_run(
    now: datetime, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    record(bar("AAPL", FRIDAY, 97))
    start(now)
    first = provider()
    with django_assert_num_queries(1):
        assert provider() is first
    start(now + timedelta(seconds=1))
    assert provider() is not first
    assert replay().position(now + timedelta(seconds=1)) == FRIDAY


def test_a_restart_forgets_the_prices_and_keeps_the_levels(now: datetime) -> None:
    record(bar("AAPL", FRIDAY, 97))
    start(now)
    narrow_alerts(levels={"AAPL": AlertLevels(below=Decimal(90), volume=5)})
    samples = fetch_quotes(symbols=["AAPL"], now=now).samples
    accept_quotes(samples=samples, now=now, max_age=timedelta(seconds=60))
    run = start(now + timedelta(seconds=2), seconds="0.5")
    assert str(run) == "from 2008-10-10, 0.5 s a session"
    assert latest_quotes(symbols=["AAPL"]) == {}
    quote = Quote.objects.get()
    assert (quote.price, quote.as_of, quote.volume, quote.note) == (None, None, None, "")
    assert (quote.alert_below, quote.alert_volume) == (Decimal(90), 5)


@pytest.mark.parametrize(
    ("day", "seconds", "message"),
    [
        (
            date(2008, 10, 9),
            "8",
            "no session on 2008-10-09. Choose a day from 2008-10-10 to 2008-10",
        ),
        (date(2008, 10, 14), "8", "There is no session on 2008-10-14"),
        (FRIDAY, "0", "A session cannot take 0 s. Choose 0.001 to 480 seconds."),
        (FRIDAY, "-1", "A session cannot take -1 s"),
        (FRIDAY, "480.1", "A session cannot take 480.1 s"),
        (FRIDAY, "NaN", "A session cannot take NaN s"),
        (FRIDAY, "Infinity", "A session cannot take Infinity s"),
    ],
)
def test_a_replay_that_cannot_be_played_is_refused(
    now: datetime, day: date, seconds: str, message: str
) -> None:
    record(bar("AAPL", FRIDAY, 97), bar("AAPL", date(2008, 10, 13), 110))
    with pytest.raises(ReplayRefused, match=message):
        start(now, day, seconds)
    assert not ReplayRun.objects.exists()


def test_a_replay_without_bars_is_refused(now: datetime) -> None:
    with pytest.raises(ReplayRefused, match=r"There are no bars. Import some with"):
        start(now)


def test_a_replay_is_refused_while_another_feed_gives_the_prices(
    now: datetime, settings: Settings
) -> None:
    record(bar("AAPL", FRIDAY, 97))
    settings.MARKET_PROVIDER = "twelvedata"
    with pytest.raises(ReplayRefused, match=r"MARKET_PROVIDER is 'twelvedata'. Set it to 'replay'"):
        start(now)


def test_at_the_slowest_pace_a_quote_never_grows_stale_within_its_phase(now: datetime) -> None:
    record(bar("AAPL", FRIDAY, 97))
    start(now, seconds=str(SESSION_SECONDS_MAX))
    almost = now + timedelta(seconds=60) - timedelta(microseconds=1)
    (sample,) = fetch_quotes(symbols=["AAPL"], now=almost).samples
    assert almost - sample.as_of < timedelta(seconds=60)


def test_the_replay_command_says_what_plays() -> None:
    record(bar("AAPL", FRIDAY, 97), bar("AAPL", date(2008, 10, 13), 110))
    out = StringIO()
    call_command("replay", "--from", "2008-10-10", "--session-seconds", "2.5", stdout=out)
    assert out.getvalue() == (
        "Replaying 2008-10-10 to 2008-10-13: 2 sessions of 2.5 s each, over in 0:00:05.\n"
    )
    assert ReplayRun.objects.get().session_seconds == Decimal("2.5")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--from", "soon", "--session-seconds", "2"],
            "'soon' is not a day. Write it as 2008-09-02",
        ),
        (["--from", "2008-10-10", "--session-seconds", "x"], "'x' is not a number of seconds"),
        (["--from", "2008-10-10", "--session-seconds", "0"], "A session cannot take 0 s"),
        (["--from", "2018-10-10", "--session-seconds", "2"], "There is no session on 2018-10-10"),
        (["--from", "2008-10-10"], "the following arguments are required: --session-seconds"),
    ],
)
def test_the_replay_command_says_what_is_wrong(arguments: list[str], message: str) -> None:
    record(bar("AAPL", FRIDAY, 97))
    with pytest.raises(CommandError, match=message):
        call_command("replay", *arguments)
