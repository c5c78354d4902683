"""Rules leave as a file and come back from it: all of a file or nothing, and once."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from actions.bulk.imports import (
    ImportRefused,
    apply_import,
    cancel_import,
    check_import,
    confirm_import,
    open_import,
    owned_import,
)
from actions.engine import run_tick
from actions.history import history_of
from actions.models import Action, RuleImport, Watch
from actions.services import Draft, cancel_action, create_action, pause_action
from market.services import calendar
from portfolios.services import open_portfolio, primary_portfolio
from tests.conftest import Feed
from tests.factories import UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("instruments", "feed")]

HEADER = "external_id,action_type,symbol,quantity,trigger_type,trigger_params"
DIP = 'dip,BUY,AAPL,10,price_below,"{""threshold"": ""150""}"'
RISE = 'rise,SELL,MSFT,2.5,price_above,"{""threshold"": 300}"'


def csv_of(*lines: str, header: str = HEADER) -> bytes:
    return "\r\n".join([header, *lines, ""]).encode()


@pytest.fixture
def ada() -> User:
    return UserFactory.create(username="ada", time_zone="America/New_York")


def checked(user: User, content: bytes, now: datetime, **more: Any) -> RuleImport:
    held = open_import(user=user, content=content, now=now, **more)
    return check_import(import_id=held.pk, now=now)


def applied(user: User, content: bytes, now: datetime, **more: Any) -> RuleImport:
    held = checked(user, content, now, **more)
    assert held.state == "checked", held.shown
    assert confirm_import(user=user, import_id=held.pk, now=now)
    return apply_import(import_id=held.pk, now=now)


def errors_of(held: RuleImport) -> list[tuple[int, str]]:
    """The lines and columns that are wrong."""
    assert held.state == "refused"
    return [(error["line"], error["column"]) for line in held.shown for error in line["errors"]]


def test_what_a_file_would_do_is_told_line_by_line_and_nothing_is_done(
    ada: User, now: datetime
) -> None:
    applied(ada, csv_of(DIP, RISE), now)
    changed = DIP.replace("150", "140")
    held = checked(ada, csv_of(changed, RISE, DIP.replace("dip", "new")), now)
    assert held.state == "checked"
    assert held.counts == {"changed": 1, "unchanged": 1, "new": 1}
    told = [(line["line"], line["external_id"], line["outcome"]) for line in held.shown]
    assert told == [(2, "dip", "changed"), (4, "new", "new")]
    assert held.shown[0]["changes"] == ["trigger_params"]
    assert Action.objects.count() == 2
    assert Action.objects.get(external_id="dip").trigger_params == {"threshold": "150"}


def test_new_rules_are_as_if_written_one_by_one(ada: User, feed: Feed, now: datetime) -> None:
    feed.says("AAPL", "160", now)
    run_tick(now=now)
    held = applied(ada, csv_of(DIP, RISE), now)
    assert (held.state, held.counts) == ("done", {"new": 2})
    by_hand = create_action(
        user=ada,
        draft=Draft(
            action_type="BUY",
            symbol="AAPL",
            quantity=Decimal(10),
            trigger_type="price_below",
            trigger_params={"threshold": "150"},
        ),
        now=now,
    )
    imported = Action.objects.get(external_id="dip")
    for name in ("status", "symbol", "quantity", "trigger_params", "valid_from", "portfolio_id"):
        assert getattr(imported, name) == getattr(by_hand, name), name
    waits = Watch.objects.filter(action__in=[imported, by_hand]).values_list("symbol", "at")
    assert list(waits) == [("AAPL", now), ("AAPL", now)]
    run_tick(now=now + timedelta(seconds=10))
    feed.says("AAPL", "149", now + timedelta(seconds=20))
    assert run_tick(now=now + timedelta(seconds=20)).woken == 2


def test_the_same_file_again_changes_nothing(ada: User, now: datetime) -> None:
    applied(ada, csv_of(DIP, RISE), now)
    before = list(Action.objects.order_by("pk").values())
    held = applied(ada, csv_of(DIP, RISE), now + timedelta(hours=1))
    assert held.counts == {"unchanged": 2}
    assert list(Action.objects.order_by("pk").values()) == before


def test_a_changed_line_edits_the_rule_and_its_history_says_why(ada: User, now: datetime) -> None:
    applied(ada, csv_of(DIP, RISE), now)
    later = now + timedelta(hours=1)
    applied(ada, csv_of(DIP.replace(",10,", ",12,"), RISE), later)
    dip = Action.objects.get(external_id="dip")
    assert dip.quantity == 12
    assert dip.created_at < dip.updated_at == later
    change, _ = history_of(action=dip, zone=ada.zone)
    assert (change.who, change.why) == ("ada", "Imported.")
    assert change.what == ("What it does: Buy 10 AAPL → Buy 12 AAPL",)
    assert len(history_of(action=Action.objects.get(external_id="rise"), zone=ada.zone)) == 1


def test_a_changed_condition_takes_the_rule_from_who_is_looking_at_it(
    ada: User, now: datetime
) -> None:
    applied(ada, csv_of(DIP), now)
    lease = {"processing_lease_until": now, "waking_quote": {}}
    Action.objects.update(**lease)
    applied(ada, csv_of(DIP.replace(",10,", ",12,")), now)
    assert Action.objects.get().processing_lease_until == now
    applied(ada, csv_of(DIP.replace("150", "140")), now)
    dip = Action.objects.get()
    assert (dip.processing_lease_until, dip.waking_quote) == (None, None)
    assert dip.status_reason == "Edited by you: its trigger has started anew."


def test_a_stop_whose_size_is_changed_goes_on_from_its_peak(
    ada: User, feed: Feed, now: datetime
) -> None:
    stop = 'stop,NOTIFY,AAPL,,trailing_stop,"{""percent"": 5}",SECONDS'
    header = f"{HEADER},cooldown_seconds"
    feed.says("AAPL", "100", now)
    run_tick(now=now)
    applied(ada, csv_of(stop.replace("SECONDS", "60"), header=header), now)
    for n, price in enumerate(("100", "110", "120"), start=1):
        feed.says("AAPL", price, now + timedelta(seconds=10 * n))
        run_tick(now=now + timedelta(seconds=10 * n))
    applied(ada, csv_of(stop.replace("SECONDS", "90"), header=header), now + timedelta(seconds=31))
    feed.says("AAPL", "114", now + timedelta(seconds=40))
    assert run_tick(now=now + timedelta(seconds=40)).fired == 1


def test_a_file_pauses_resumes_and_ends_rules(ada: User, now: datetime) -> None:
    header = f"{HEADER},status"
    applied(ada, csv_of(f"{DIP},paused", f"{RISE},active", header=header), now)
    dip, rise = Action.objects.order_by("external_id")
    assert (dip.status, rise.status) == ("paused", "active")
    assert list(Watch.objects.values_list("action", flat=True)) == [rise.pk]
    applied(ada, csv_of(f"{DIP},active", f"{RISE},cancelled", header=header), now)
    dip, rise = Action.objects.order_by("external_id")
    assert (dip.status, rise.status) == ("active", "cancelled")
    assert list(Watch.objects.values_list("action", flat=True)) == [dip.pk]
    assert history_of(action=rise, zone=ada.zone)[0].what == ("Status: active → cancelled",)


def test_a_rule_that_has_ended_stays_as_it_was(ada: User, now: datetime) -> None:
    applied(ada, csv_of(DIP), now)
    cancel_action(user=ada, action_id=Action.objects.get().pk, now=now)
    assert checked(ada, csv_of(DIP), now).counts == {"unchanged": 1}
    held = checked(ada, csv_of(DIP.replace("150", "140")), now)
    assert errors_of(held) == [(2, "status")]
    assert "The rule is cancelled, and stays as it was." in held.shown[0]["errors"][0]["message"]
    revived = checked(ada, csv_of(f"{DIP},active", header=f"{HEADER},status"), now)
    assert errors_of(revived) == [(2, "status")]


def test_a_portfolio_is_named_by_name_or_id_and_anothers_is_none(ada: User, now: datetime) -> None:
    own = open_portfolio(user=ada, name="Pension")
    bobs = open_portfolio(user=UserFactory.create(), name="Yacht")
    header = f"{HEADER},portfolio"
    ids = [f"{DIP},Pension", f"{RISE},{own.pk}", f"{DIP.replace('dip', 'third')},"]
    applied(ada, csv_of(*ids, header=header), now)
    found = Action.objects.order_by("external_id").values_list("external_id", "portfolio")
    primary = primary_portfolio(user=ada).pk
    assert list(found) == [("dip", own.pk), ("rise", own.pk), ("third", primary)]
    for anothers in (bobs.name, str(bobs.pk), str(UUID(int=1)), "no such"):
        held = checked(ada, csv_of(f"new{DIP[3:]},{anothers}", header=header), now)
        assert errors_of(held) == [(2, "portfolio")], anothers
        assert "You have no such portfolio." in held.shown[0]["errors"][0]["message"]


def test_anothers_rule_is_neither_found_nor_changed(ada: User, now: datetime) -> None:
    bob = UserFactory.create()
    applied(bob, csv_of(DIP), now)
    bobs = Action.objects.get()
    applied(ada, csv_of(DIP.replace("150", "1")), now)
    named_by_id = csv_of(DIP.replace("dip", str(bobs.pk)))
    assert checked(ada, named_by_id, now).counts == {"new": 1}
    bobs.refresh_from_db()
    assert bobs.trigger_params == {"threshold": "150"}
    assert Action.objects.filter(user=ada).count() == 1


def test_nothing_is_done_where_the_rules_have_changed_since_the_report(
    ada: User, now: datetime
) -> None:
    applied(ada, csv_of(DIP), now)
    held = checked(ada, csv_of(DIP, RISE), now)
    pause_action(user=ada, action_id=Action.objects.get().pk, now=now)
    wide = DIP.replace("150", "160")
    Action.objects.update(trigger_params={"threshold": "160"})
    assert confirm_import(user=ada, import_id=held.pk, now=now)
    again = apply_import(import_id=held.pk, now=now)
    assert (again.state, again.counts) == ("checked", {"changed": 1, "new": 1})
    assert "Your rules have changed" in again.note
    assert Action.objects.count() == 1
    assert confirm_import(user=ada, import_id=held.pk, now=now)
    assert apply_import(import_id=held.pk, now=now).state == "done"
    assert checked(ada, csv_of(wide), now).counts == {"changed": 1}


def test_what_was_confirmed_is_done_once(ada: User, now: datetime) -> None:
    held = checked(ada, csv_of(DIP), now)
    assert confirm_import(user=ada, import_id=held.pk, now=now)
    assert not confirm_import(user=ada, import_id=held.pk, now=now)
    assert apply_import(import_id=held.pk, now=now).state == "done"
    assert apply_import(import_id=held.pk, now=now).state == "done"
    assert not confirm_import(user=ada, import_id=held.pk, now=now)
    assert Action.objects.count() == 1
    assert RuleImport.objects.get().content is None
    with pytest.raises(ImportRefused, match="done"):
        cancel_import(user=ada, import_id=held.pk, now=now)


def test_a_cancelled_import_does_nothing_and_keeps_no_file(ada: User, now: datetime) -> None:
    held = checked(ada, csv_of(DIP), now)
    cancel_import(user=ada, import_id=held.pk, now=now)
    with pytest.raises(ImportRefused, match="cancelled"):
        confirm_import(user=ada, import_id=held.pk, now=now)
    assert apply_import(import_id=held.pk, now=now).state == "cancelled"
    assert not Action.objects.exists()
    assert RuleImport.objects.get().content is None


def test_an_import_is_its_owners(ada: User, now: datetime) -> None:
    held = checked(ada, csv_of(DIP), now)
    bob = UserFactory.create()
    for act in (confirm_import, cancel_import, owned_import):
        when = {} if act is owned_import else {"now": now}
        with pytest.raises(RuleImport.DoesNotExist):
            act(user=bob, import_id=held.pk, **when)


def test_one_that_never_comes_to_an_end_is_given_up_in_words(ada: User, now: datetime) -> None:
    held = open_import(user=ada, content=csv_of(DIP), now=now)
    RuleImport.objects.update(attempts=3)
    given_up = check_import(import_id=held.pk, now=now)
    assert given_up.state == "failed"
    assert "Nothing was changed" in given_up.note


def test_rules_of_one_file_are_written_in_few_statements(ada: User, now: datetime) -> None:
    primary_portfolio(user=ada)

    def statements(count: int) -> int:
        lines = [DIP.replace("dip", f"{count}-{n}") for n in range(count)]
        held = checked(ada, csv_of(*lines), now)
        confirm_import(user=ada, import_id=held.pk, now=now)
        with CaptureQueriesContext(connection) as queries:
            apply_import(import_id=held.pk, now=now)
        return len(queries)

    assert statements(300) == statements(3)


def test_rules_keep_the_order_of_the_file(ada: User, now: datetime) -> None:
    names = [f"r{n * 7 % 10}" for n in range(10)]
    applied(ada, csv_of(*(DIP.replace("dip", name) for name in names)), now)
    made = Action.objects.order_by("created_at").values_list("external_id", flat=True)
    assert list(made) == names


BAD_LINES = [
    (DIP.replace(",10,", ",ten,"), "quantity"),
    (DIP.replace(",10,", ",NaN,"), "quantity"),
    (DIP.replace("AAPL", "NOPE"), "symbol"),
    (DIP.replace("150", "-1"), "trigger_params.threshold"),
    (DIP.replace('"{""threshold"": ""150""}"', "150"), "trigger_params"),
    (DIP.replace('"{""threshold"": ""150""}"', '"{""threshold"": NaN}"'), "trigger_params"),
    (DIP.replace('"{""threshold"": ""150""}"', '"[1]"'), "trigger_params"),
    (DIP.replace("price_below", "price_sideways"), "trigger_type"),
    (DIP.replace("dip", ""), "external_id"),
    (DIP.replace("dip", " dip"), "external_id"),
    (DIP.replace("dip", "d\0p"), "external_id"),
    (DIP.replace("dip", "d" * 101), "external_id"),
    (f"{DIP},more", ""),
    ("dip,BUY", ""),
]


@pytest.mark.parametrize(("line", "column"), BAD_LINES)
def test_what_is_wrong_is_named_by_line_and_column_and_nothing_is_done(
    ada: User, now: datetime, line: str, column: str
) -> None:
    held = checked(ada, csv_of(RISE, line), now)
    assert (3, column) in errors_of(held)
    assert not Action.objects.exists()


def test_the_same_name_twice_in_a_file_is_refused(ada: User, now: datetime) -> None:
    held = checked(ada, csv_of(DIP, RISE, DIP), now)
    assert errors_of(held) == [(4, "external_id")]
    assert "Line 2" in held.shown[0]["errors"][0]["message"]


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b"", 1, "empty"),
        (b"\xef\xbb\xbf \r\n", 1, "empty"),
        (b",,,\r\n,,,\r\n", 1, "empty"),
        (HEADER.encode(), 1, "no rules"),
        (b"PK\x03\x04\x14\x00[Content_Types].xml", 1, "Save it as CSV"),
        (b"\x1f\x8b\x08\x00\x00\x00", 1, "Save it as CSV"),
        (b"\r\n" + csv_of(f"{DIP},", header=f"{HEADER},"), 2, "Column 7 has no name"),
        (csv_of(DIP).decode().encode("utf-16"), 1, "UTF-16"),
        (csv_of(DIP, DIP.replace("dip", "d\xefp")).decode().encode("latin-1"), 3, "not UTF-8"),
        (csv_of(DIP, header=HEADER.replace("symbol", "ticker")), 1, "no such column"),
        (csv_of(DIP, header=HEADER.replace(",", ";")), 1, "with commas"),
        (csv_of(DIP, header=HEADER.replace("symbol", "quantity")), 1, "there twice"),
        (csv_of(DIP, header=HEADER.replace("trigger_params", "notes")), 1, "missing"),
        (csv_of(DIP, 'rise,"SELL'), 3, "not CSV"),
        (csv_of(DIP, f"{'x' * 70_000},BUY,AAPL,1,price_below,{{}}"), 3, "70,000 characters"),
        (b'{"external_id": "a"\n', 1, "not JSON"),
        (b'{"external_id": "a"} {"external_id": "b"}\n', 1, "more than one object"),
        (b'{"rules": [{"external_id": "a"}]}', 1, "There is no such parameter"),
        (b"[]", 1, "empty"),
        (b"[1, 2]", 1, "as an object"),
        (b'[\n{"external_id": "a"}\n{"external_id": "b"}]', 3, "a comma"),
        (b'[{"external_id": NaN}]', 1, "NaN is not a number"),
        (b'[{"external_id": "\\ud800"}]', 1, "surrogate"),
        (b'[\n\n{"external_id": "a",\n "external_id": "b"}]', 3, "stands twice"),
        (b"[" * 200_000, 1, "nested too deeply"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_whole(
    ada: User, now: datetime, content: bytes, line: int, words: str
) -> None:
    held = checked(ada, content, now)
    told = [(error["line"], error["message"]) for each in held.shown for error in each["errors"]]
    assert any(at == line and words in message for at, message in told), told
    assert held.state == "refused"
    assert not Action.objects.exists()


def test_lines_in_which_nothing_stands_are_passed_over(ada: User, now: datetime) -> None:
    held = checked(ada, b"\r\n,,\r\n" + csv_of(DIP, ",,,,,", "", RISE, " , ,,,,"), now)
    assert [(line["line"], line["outcome"]) for line in held.shown] == [(4, "new"), (7, "new")]


def test_too_many_rules_are_refused(
    ada: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actions.bulk.imports.MOST_RULES", 2)
    held = checked(ada, csv_of(DIP, RISE, DIP.replace("dip", "third")), now)
    assert errors_of(held) == [(4, "")]


def test_what_is_left_out_stays_and_an_empty_cell_is_the_default(ada: User, now: datetime) -> None:
    header = f"{HEADER},max_executions,notes,valid_until"
    applied(ada, csv_of(f"{DIP},any,mine,2027-01-04", header=header), now)
    rule = Action.objects.get()
    assert (rule.max_executions, rule.notes) == (None, "mine")
    assert rule.valid_until == calendar().last_close_until(date(2027, 1, 4))
    assert checked(ada, csv_of(f"{DIP},any,mine,2027-01-04", header=header), now).counts == {
        "unchanged": 1
    }
    assert checked(ada, csv_of(DIP), now).counts == {"unchanged": 1}
    applied(ada, csv_of(f"{DIP},,,", header=header), now)
    rule.refresh_from_db()
    assert rule.max_executions == 1
    assert rule.notes is None
    assert rule.valid_until is None
