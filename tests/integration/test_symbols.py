"""Which symbols there are, and what may be meant by what somebody types."""

from datetime import UTC, datetime
from io import StringIO
from time import thread_time

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from actions.parts import InvalidRule
from actions.services import Draft, create_action
from market.directory import Directory, Listing, shipped
from market.models import FeedBudget, Instrument
from market.services import ProviderError, admit, learn, search_symbols
from tests.conftest import Feed, list_instruments
from tests.factories import PortfolioFactory
from tests.feed_server import FeedServer, quote, quotes, says

FEW = Directory(
    [
        Listing("AAPL", "Apple Inc.", large=True),
        Listing("APLE", "Apple Hospitality REIT, Inc."),
        Listing("AMAT", "Applied Materials, Inc.", large=True),
        Listing("F", "Ford Motor Company", large=True),
        Listing("T", "AT&T Inc.", large=True),
        Listing("GM", "General Motors Company", large=True),
        Listing("GE", "GE Aerospace", large=True),
        Listing("BRK.B", "Berkshire Hathaway Inc.", large=True),
    ]
)


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("aapl", ["AAPL"]),
        ("apple", ["AAPL", "APLE"]),
        ("Apple Inc.", ["AAPL", "APLE"]),
        ("appl", ["AAPL", "AMAT", "APLE"]),
        ("motor", ["F", "GM"]),
        ("general mot", ["GM"]),
        ("hathaway", ["BRK.B"]),
        ("brk.b", ["BRK.B"]),
        ("at&t", ["T"]),
        ("f", ["F"]),
        ("zebra", []),
        ("", []),
        (" ;%_' ", []),
    ],
)
def test_a_search_finds_symbols_and_names_best_first(typed: str, found: list[str]) -> None:
    assert [listing.symbol for listing in FEW.search(typed)] == found


@pytest.mark.parametrize(
    ("typed", "first"), [("APPL", "AAPL"), ("APPLE", "AAPL"), ("AAPLE", "AAPL"), ("BRKB", "BRK.B")]
)
def test_what_is_no_symbol_has_near_matches(typed: str, first: str) -> None:
    assert FEW.near(typed)[0].symbol == first
    assert FEW.near("QQQQQQQQ") == []


def test_the_directory_that_is_shipped_lists_what_people_trade() -> None:
    names = {
        symbol: listing.name
        for symbol in ("AAPL", "MSFT", "BRK.B", "SPY", "KO", "IBM", "GOOG", "F")
        if (listing := shipped().get(symbol))
    }
    assert len(names) == 8
    assert names["KO"].startswith("Coca-Cola")
    assert shipped().search("apple")[0].symbol == "AAPL"
    assert "MSFT" in [one.symbol for one in shipped().near("MSTF")]
    assert shipped().get("ZXZZT") is None  # a test listing


def test_every_listing_that_is_shipped_can_be_an_instrument() -> None:
    everything = shipped().search("e", limit=100_000)
    assert len(everything) > 1000
    for listing in everything:
        Instrument(symbol=listing.symbol, name=listing.name).full_clean(
            validate_unique=False, validate_constraints=False
        )


def test_a_search_takes_a_moment() -> None:
    shipped()
    began = thread_time()
    shipped().near("MICROSFT")
    assert thread_time() - began < 1.0


# --- Symbols for rules ---


@pytest.fixture
def live_provider(settings: Settings) -> None:
    settings.MARKET_PROVIDER = "twelvedata"


@pytest.mark.django_db
@pytest.mark.usefixtures("live_provider")
def test_with_a_live_feed_a_listed_symbol_becomes_an_instrument_when_it_is_wanted() -> None:
    list_instruments(["HOUSE"])
    assert admit(symbols=["KO", "HOUSE"]) == {}
    assert Instrument.objects.get(symbol="KO").name.startswith("Coca-Cola")
    assert admit(symbols=["KO"]) == {}


@pytest.mark.django_db
@pytest.mark.usefixtures("live_provider")
def test_an_unlisted_symbol_is_refused_with_what_may_be_meant() -> None:
    Instrument.objects.create(symbol="IBM", name="Big Blue", is_active=False)
    refused = admit(symbols=["APPLE", "IBM", "KO"])
    assert sorted(refused) == ["APPLE", "IBM"]
    assert refused["APPLE"][0].symbol == "AAPL"


@pytest.mark.django_db
def test_a_replay_knows_what_it_has_and_nothing_else() -> None:
    Instrument.objects.create(symbol="AAPL", name="Apple Inc.")
    refused = admit(symbols=["AAPL", "APPL", "KO"])
    assert [one.symbol for one in refused["APPL"]] == ["AAPL"]
    assert refused["KO"] == []
    assert [one.symbol for one in search_symbols(text="apple")] == ["AAPL"]
    assert Instrument.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.usefixtures("live_provider")
def test_own_instruments_are_found_beside_those_that_are_listed() -> None:
    Instrument.objects.create(symbol="HOUSE", name="House of Apples")
    found = [one.symbol for one in search_symbols(text="apple", limit=50)]
    assert {"HOUSE", "AAPL"} <= {*found}


@pytest.mark.django_db
@pytest.mark.usefixtures("live_provider")
def test_a_rule_on_an_unknown_symbol_says_what_may_be_meant(now: object) -> None:
    user = PortfolioFactory.create().user
    draft = Draft(
        action_type="NOTIFY",
        symbol="APPLE",
        trigger_type="price_below",
        trigger_params={"threshold": "5"},
    )
    with pytest.raises(InvalidRule) as refused:
        create_action(user=user, draft=draft, now=now)  # type: ignore[arg-type]
    words = refused.value.errors["symbol"]
    assert words.startswith("“APPLE” is not a symbol that is known here. Did you mean AAPL (Apple")


# --- Symbols that the directory does not list ---


def member(symbol: str, **more: object) -> dict[str, object]:
    return quote(symbol, datetime(2026, 11, 17, 15, tzinfo=UTC), "5", **more)


@pytest.mark.django_db
def test_a_symbol_that_the_feed_knows_is_added_with_its_name(live: FeedServer) -> None:
    live.says(quotes({"ZZNEW": member("ZZNEW", name="New Company")}))
    out = StringIO()
    call_command("add_symbol", "ZZNEW", stdout=out)
    assert out.getvalue() == "ZZNEW: New Company\n"
    assert admit(symbols=["ZZNEW"]) == {}
    assert search_symbols(text="new company")[0].symbol == "ZZNEW"
    assert FeedBudget.objects.get().in_minute == 1


@pytest.mark.django_db
def test_a_symbol_that_the_feed_does_not_know_is_not_added(live: FeedServer) -> None:
    live.says(quotes({"NOPE": {"code": 404, "message": "invalid", "status": "error"}}))
    with pytest.raises(CommandError, match="twelvedata has no quote of NOPE: 404: invalid"):
        call_command("add_symbol", "NOPE")
    live.says(says("<html>", 502))
    with pytest.raises(CommandError, match="HTTP 502"):
        call_command("add_symbol", "NOPE")
    with pytest.raises(CommandError, match="is no symbol"):
        call_command("add_symbol", "no such")
    assert not Instrument.objects.exists()


@pytest.mark.django_db
def test_without_credits_nothing_is_asked(live: FeedServer, settings: Settings) -> None:
    settings.TWELVEDATA_CREDITS_PER_MINUTE = 1
    live.says(quotes({"ZZNEW": member("ZZNEW"), "ZZOLD": member("ZZOLD")}))
    now = datetime(2026, 11, 17, 15, tzinfo=UTC)
    learn(symbol="ZZNEW", now=now)
    with pytest.raises(ProviderError, match="no credits are left"):
        learn(symbol="ZZOLD", now=now)
    assert len(live.asked) == 1


@pytest.mark.django_db
def test_a_replay_cannot_be_asked_for_other_symbols(feed: Feed) -> None:
    with pytest.raises(ProviderError, match="only a live feed"):
        learn(symbol="ZZNEW", now=datetime(2026, 11, 17, 15, tzinfo=UTC))
