"""The pages of backtests, over HTTP: what is asked is played, shown, and refused at its field."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_q.models import OrmQ

from accounts.models import User
from actions.backtesting import runs
from actions.models import Action, Backtest
from actions.services import Draft, create_action
from actions.tasks import play_backtest
from actions.wizard.drafts import open_draft
from market.models import ReplayRun
from portfolios.services import deposit, primary_portfolio
from tests.api import Api
from tests.backtests import END, START, STOP, as_csv, bars_of, hold_bars
from tests.factories import UserFactory
from tests.integration.test_api_bad_calls import stored

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments")]
MOST_QUERIES = 12
NEW = "/actions/backtests/new"
FORM = {
    "start": START.isoformat(),
    "end": END.isoformat(),
    "cash": "10,000",
    "shares_0": "100",
    "commission_usd": "$1",
    "commission_percent": "",
    "slippage_percent": "0.05",
    "parameter": "",
    "sessions": "exchange",
}
DRAFT = Draft(**{**STOP, "quantity": Decimal(10)})


@pytest.fixture(autouse=True)
def _a_busy_machine_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "PATIENCE_SECONDS", 120.0)
    monkeypatch.setattr("actions.tasks.BACKTEST_SLICE_SECONDS", 120.0)


@pytest.fixture
def ada(settings: Any) -> User:
    settings.MARKET_PROVIDER = "replay"
    hold_bars("AAPL")
    user = UserFactory.create(username="ada")
    deposit(portfolio=primary_portfolio(user=user), amount=Decimal(777), at=timezone.now())
    return user


@pytest.fixture
def rule(ada: User) -> Action:
    return create_action(user=ada, draft=DRAFT, now=timezone.now())


@pytest.fixture
def client(ada: User) -> Client:
    client = Client()
    client.force_login(ada)
    return client


def form_of(rule: Action) -> str:
    return f"{NEW}?action={rule.pk}"


def text_of(answer: Any) -> str:
    plain = re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", answer.content.decode(), flags=re.S)
    return re.sub(r"\s+", " ", plain)


def found_by(backtest: Backtest) -> Any:
    return backtest.found


def test_the_form_begins_with_the_last_year_and_the_portfolio(client: Client, rule: Action) -> None:
    page = client.get(form_of(rule))
    assert "Daily bars of AAPL are held from 1 Nov 2007 to 30 Jan 2009." in text_of(page)
    form = page.context["form"]
    assert (form["start"].value().isoformat(), form["cash"].value()) == ("2008-01-28", "777.00")
    assert form["shares_0"].label == "Shares of AAPL at the start"
    assert [value for value, _ in form.fields["parameter"].choices] == [
        "",
        "percent",
        "amount",
        "activation_price",
    ]


def test_what_is_asked_for_is_what_the_api_answers(client: Client, rule: Action, ada: User) -> None:
    sweep = {"parameter": "percent", "first": "5", "last": "20", "steps": "4"}
    answer = client.post(form_of(rule), FORM | sweep)
    asked = Backtest.objects.get()
    assert answer["Location"] == f"/actions/backtests/{asked.pk}"
    told = (
        Api(ada)
        .post(
            "/backtests",
            {
                "action_id": str(rule.pk),
                "start": START.isoformat(),
                "end": END.isoformat(),
                "commission_usd": 1,
                "slippage_percent": "0.05",
                "cash": 10_000,
                "holdings": {"AAPL": 100},
                "sweep": {"parameter": "percent", "from": 5, "to": 20, "steps": 4},
            },
        )
        .json()
    )
    assert (asked.found, asked.swept) == (told["result"], told["settings"])
    page = client.get(answer["Location"])
    words = text_of(page)
    assert f"Fired {told['result']['fires_count']} times" in words
    assert "This is the past, at the prices of the bars alone." in words
    last = told["result"]["equity"][-1]
    assert f"Worth at the end ${Decimal(last['portfolio']):,.2f}" in words
    best = max(told["settings"], key=lambda row: Decimal(row["worth"]))
    assert f"Of these, {best['value']} was worth most in this past" in words
    chart = page.context["chart"]
    assert len(chart["prices"]) == 253
    assert {mark["kind"] for mark in chart["marks"]} >= {"sell"}
    for fire in told["result"]["fires"]:
        assert fire["reason"] in words


def test_pictures_say_in_words_what_they_show(client: Client, rule: Action) -> None:
    sweep = {"parameter": "percent", "first": "5", "last": "20", "steps": "4"}
    page = client.get(client.post(form_of(rule), FORM | sweep)["Location"]).content.decode()
    pictures = re.findall(r'<svg class="canvas" role="img" aria-label="([^"]+)"', page)
    assert [words.partition(":")[0] for words in pictures] == [
        "Worth with the rule",
        "Firings by percent",
        "Worth at the end by percent",
    ]
    assert "style=" not in page


def test_a_file_is_uploaded(client: Client, rule: Action) -> None:
    bars = bars_of("AAPL", START, END)[:40]
    file = SimpleUploadedFile("mine.csv", as_csv(bars).encode(), "text/csv")
    client.post(form_of(rule), FORM | {"bars": file, "splits": "aapl 1:8 2008-01-09\n"})
    asked = Backtest.objects.get()
    assert asked.cells == 40
    assert asked.terms["splits"] == {"AAPL": [["2008-01-09", "1/8"]]}
    assert found_by(asked)["prices"][-1][0] == f"{bars[-1].at:%Y-%m-%dT%H:%M:%SZ}"


FILE = as_csv(bars_of("AAPL", START, END)[:9])


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"start": "2009-01-02"}, "end", "It must not be before the start."),
        ({"start": ""}, "start", "Say when."),
        ({"start": "soon"}, "start", "Enter a valid date."),
        ({"start": "2009-02-02", "end": ""}, "start", "There is nothing between"),
        ({"cash": "-1"}, "cash", "Use 0 or more."),
        ({"cash": "much"}, "cash", "Use a plain number"),
        ({"shares_0": "-1"}, "shares_0", "Use 0 or more."),
        ({"slippage_percent": "100"}, "slippage_percent", "It must be below 100."),
        ({"parameter": "percent"}, "first", "This is needed to try several values."),
        ({"parameter": "colour"}, "parameter", "Select a valid choice."),
        ({"parameter": "percent", "first": "1", "last": "500"}, "first", "cannot be"),
        ({"parameter": "percent", "steps": "1000000"}, "steps", "Use 100 or less."),
        ({"bars": FILE.replace("close,", "shut,")}, "bars", "bars line 1: the header has no colum"),
        ({"bars": re.sub(",[0-9]+$", ",x", FILE, flags=re.M)}, "bars", "line 2: volume .x. is not"),
        ({"bars": FILE.replace("AAPL", "IBM")}, "bars", "The file has no bars of AAPL"),
        ({"bars": "\n".join(reversed(FILE.splitlines()))}, "bars", "bars line 1: the header has"),
        ({"bars": b"\xff\xfe"}, "bars", "byte 0 in line 1 is not UTF-8 text"),
        ({"bars": b""}, "bars", "bars: is empty"),
        ({"bars": "x" * (8 * 2**20 + 1)}, "bars", "at most 8 MB"),
        ({"bars": FILE, "splits": "AAPL 7:1"}, "splits", "Line 1: Write a symbol, new to old"),
        ({"bars": FILE, "splits": "\nAAPL 7:1 June"}, "splits", "Line 2: “June” is no day."),
        ({"bars": FILE, "splits": "AAPL 1:1 2008-06-02"}, "splits", "and not 1"),
        ({"bars": FILE, "splits": "IBM 7:1 2008-06-02"}, "splits", "neither watches nor trades"),
        ({"splits": "AAPL 7:1 2008-06-02"}, "splits", "Those of the bars that are held are known"),
    ],
)
def test_what_is_wrong_stands_at_its_field_and_nothing_is_stored(
    client: Client, rule: Action, changes: dict[str, Any], field: str, words: str
) -> None:
    if "bars" in changes:
        content = changes["bars"]
        content = content if isinstance(content, bytes) else content.encode()
        changes = changes | {"bars": SimpleUploadedFile("mine.csv", content, "text/csv")}
    before = stored()
    page = client.post(form_of(rule), FORM | {"steps": "9"} | changes)
    assert page.status_code == 200
    assert re.search(words, " ".join(page.context["form"].errors[field])), page.context[
        "form"
    ].errors
    assert "fields.0" not in page.content.decode()
    assert (stored(), OrmQ.objects.count()) == (before, 0)


def test_where_the_bars_are_is_told_by_the_users_clock(
    client: Client, rule: Action, ada: User
) -> None:
    ada.time_zone = "Europe/Berlin"
    ada.save()
    page = client.post(form_of(rule), FORM | {"start": "2009-02-02", "end": ""})
    (words,) = page.context["form"].errors["start"]
    assert words == (
        "There is nothing between the start and the end: those of AAPL are from "
        "Thu 1 Nov 2007 21:00 Berlin to Fri 30 Jan 2009 22:00 Berlin."
    )


def test_a_rule_of_which_no_bars_are_held_asks_for_a_file(client: Client, ada: User) -> None:
    fields = {**STOP, "symbol": "IBM", "quantity": Decimal(1)}
    action = create_action(user=ada, draft=Draft(**fields), now=timezone.now())
    assert "No bars of IBM are held here yet: upload a file" in text_of(client.get(form_of(action)))
    page = client.post(form_of(action), FORM)
    assert "No bars of IBM are held here. Send some." in page.context["form"].errors["bars"]


def test_a_rule_that_is_being_written_can_be_tested(client: Client, ada: User) -> None:
    now = timezone.now()
    draft = open_draft(user=ada, draft=DRAFT, now=now)
    review = client.get(f"/actions/new/review?draft={draft.pk}").content.decode()
    assert f"{NEW}?draft={draft.pk}" in review
    answer = client.post(f"{NEW}?draft={draft.pk}", FORM)
    asked = Backtest.objects.get()
    assert (answer["Location"], asked.action) == (f"/actions/backtests/{asked.pk}", None)
    assert not Action.objects.exists()


def test_the_rule_is_chosen_where_none_is_named(client: Client, rule: Action, ada: User) -> None:
    assert f'href="{form_of(rule)}"' in client.get(NEW).content.decode()
    newcomer = Client()
    newcomer.force_login(UserFactory.create())
    assert "You have no rules yet." in text_of(newcomer.get(NEW))
    assert "There is no backtest yet." in text_of(newcomer.get("/actions/backtests"))
    draft = open_draft(user=ada, draft=DRAFT, now=timezone.now())
    for named in (f"action={rule.pk}", f"draft={draft.pk}", f"action={uuid4()}", "action=x"):
        assert newcomer.get(f"{NEW}?{named}").status_code == 404, named


def test_a_long_one_is_followed_until_it_is_done(client: Client, rule: Action) -> None:
    sweep = {"parameter": "percent", "first": "1", "last": "50", "steps": "50"}
    path = client.post(form_of(rule), FORM | sweep)["Location"]
    asked = Backtest.objects.get()
    asks = {"HX-Request": "true"}
    waits = client.get(path, headers=asks)
    assert "It waits for its turn." in text_of(waits)
    assert 'hx-trigger="every 2s"' in waits.content.decode()
    same = client.get(path, headers=asks | {"If-None-Match": waits["ETag"]})
    assert same.status_code == 304
    for _ in range(2):
        runs.go_on_with(backtest_id=asked.pk, clock=timezone.now, slice_seconds=0)
    moved = client.get(path, headers=asks | {"If-None-Match": waits["ETag"]})
    assert "It is being played: 3 %" in text_of(moved)
    assert "Had “Percent” been another" in text_of(moved)
    assert f"/actions/backtests/{asked.pk}/cancel" in moved.content.decode()
    play_backtest(str(asked.pk))
    done = client.get(path, headers=asks).content.decode()
    assert "every 2s" not in done
    assert "/cancel" not in done


def test_the_list_tells_backtests_of_the_same_rule_apart(client: Client, rule: Action) -> None:
    client.post(form_of(rule), FORM)
    sweep = {"parameter": "percent", "first": "5", "last": "20", "steps": "4"}
    client.post(form_of(rule), FORM | sweep | {"end": "2008-06-30"})
    listed = text_of(client.get("/actions/backtests"))
    whole, half = (Backtest.objects.get(terms__parameter=name) for name in ("", "percent"))
    fires = [each.found["fires_count"] for each in (whole, half) if each.found]
    assert fires[0] > fires[1] > 1
    assert f"2 Jan 2008 to 31 Dec 2008 fired {fires[0]} times asked for" in listed
    assert f"2 Jan 2008 to 30 Jun 2008 fired {fires[1]} times several values of percent" in listed


def test_one_is_cancelled_and_deleted(client: Client, rule: Action) -> None:
    sweep = {"parameter": "percent", "first": "1", "last": "50", "steps": "50"}
    path = client.post(form_of(rule), FORM | sweep)["Location"]
    assert "It was cancelled." in text_of(client.post(f"{path}/cancel", follow=True))
    again = client.post(f"{path}/cancel", follow=True)
    assert "It had found nothing yet." in text_of(again)
    assert "Deleted the backtest." in text_of(client.post(f"{path}/delete", follow=True))
    assert client.get(path).status_code == 404
    done = client.post(form_of(rule), FORM)["Location"]
    assert "The backtest is done already." in text_of(client.post(f"{done}/cancel", follow=True))


def test_a_failure_and_too_many_are_said_in_words(client: Client, rule: Action) -> None:
    sweep = {"parameter": "percent", "first": "1", "last": "50", "steps": "50"}
    for _ in range(runs.MOST_OPEN):
        path = client.post(form_of(rule), FORM | sweep)["Location"]
    refused = client.post(form_of(rule), FORM)
    assert "You have 3 backtests that have not ended." in text_of(refused)
    failed = Backtest.objects.filter(pk=path.rpartition("/")[2])
    now = timezone.now()
    failed.update(status="failed", error="It burst.", ended_at=now)
    assert "It failed. It burst." in text_of(client.get(path))
    assert text_of(client.get("/actions/backtests")).count("Waiting") == runs.MOST_OPEN - 1


def test_each_page_takes_few_statements(client: Client, rule: Action) -> None:
    path = client.post(form_of(rule), FORM)["Location"]
    for page in (path, "/actions/backtests", NEW, form_of(rule)):
        with CaptureQueriesContext(connection) as queries:
            assert client.get(page).status_code == 200
        assert len(queries) <= MOST_QUERIES, (page, [query["sql"][:90] for query in queries])


def test_of_a_replay_only_what_has_been_played_is_past(client: Client, rule: Action) -> None:
    """Each session takes an hour, and the third one plays."""
    first = bars_of("AAPL", START, END)[0].session
    ReplayRun.objects.create(
        started_at=timezone.now() - 2.5 * runs.SILENCE * 60,
        first_session=first,
        session_seconds=3600,
    )
    page = client.get(form_of(rule))
    assert "are held from 1 Nov 2007 to 3 Jan 2008." in text_of(page)
    client.post(form_of(rule), FORM | {"end": ""})
    at, _ = found_by(Backtest.objects.get())["prices"][-1]
    assert datetime.fromisoformat(at) == datetime(2008, 1, 3, 21, tzinfo=UTC)
