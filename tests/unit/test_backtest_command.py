"""`manage.py backtest`: a rule of JSON in, what it would have done out."""

import csv
import json
import subprocess
import sys
from collections.abc import Sequence
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from actions.backtest import command

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "market" / "data"
ADJUSTED = DATA / "daily_wiki_2000_2013_splitadj.csv"
RAW = DATA / "daily_wiki_2000_2013_raw.csv"
SHARED = ROOT.parent / "shared" / "data"
HEADER = "symbol,timestamp,open,high,low,close,volume"
WEEK = [
    f"AAPL,2012-06-{day:02}T20:00:00Z,100,{110 + n},90,{100 + n},1000"
    for n, day in enumerate((4, 5, 6, 7, 8, 11))
]


def rule(trigger_type: str = "price_above", **more: Any) -> dict[str, Any]:
    return {
        "id": "R1",
        "symbol": "AAPL",
        "trigger_type": trigger_type,
        "trigger_params": {"threshold": "103"},
        "start": "2012-06-04T20:00:00Z",
        **more,
    }


class Ran:
    """What a run of the command printed, and its exit code."""

    def __init__(self, tmp_path: Path, rules: Sequence[object], *options: str | Path) -> None:
        file = tmp_path / "rules.jsonl"
        lines = [each if isinstance(each, str) else json.dumps(each) for each in rules]
        file.write_text("\n".join(lines) + "\n")
        chosen = [str(each) for each in options]
        bars = Path(chosen[chosen.index("--bars") + 1]) if "--bars" in chosen else None
        sessions = command.EVERY_DAY if "every-day" in chosen else command.EXCHANGE
        out, complaint = StringIO(), StringIO()
        self.code = command.run(bars, file, sessions, out, complaint)
        self.answers = [json.loads(line) for line in out.getvalue().splitlines()]
        self.complaint = complaint.getvalue()

    @property
    def fires(self) -> list[list[str]]:
        return [[fire["at"] for fire in each["fires"]] for each in self.answers]


def bars_of(tmp_path: Path, lines: Sequence[str], header: str = HEADER) -> Path:
    file = tmp_path / "bars.csv"
    file.write_text("\n".join([header, *lines]) + "\n")
    return file


def test_every_rule_of_the_shared_table_fires_at_its_bar(tmp_path: Path) -> None:
    table = SHARED / "expected_fires.csv"
    if not table.exists():
        pytest.skip("the table of expected fires is not beside this checkout")
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert len(rows) == 27
    for file in sorted({row["data_file"] for row in rows}):
        asked, expected = [], []
        for row in (row for row in rows if row["data_file"] == file):
            level = row["trigger_type"] in {"price_above", "price_below"}
            for on in ("level", "cross") if level else ("",):
                params = json.loads(row["params"]) | ({"on": on} if on else {})
                asked.append(
                    rule(
                        row["trigger_type"],
                        id=row["rule_id"] + on,
                        symbol=row["symbol"],
                        trigger_params=params,
                        start=row["start"],
                    )
                )
                at = row[f"{on}_inclusive" if on else "first_fire_timestamp"]
                expected.append([at] if at else [])
        options: list[str | Path] = ["--bars", SHARED / file] if file else []
        ran = Ran(tmp_path, asked, *options)
        assert (ran.code, ran.complaint) == (command.ALL_ANSWERED, "")
        assert [answer["id"] for answer in ran.answers] == [each["id"] for each in asked]
        assert ran.fires == expected


# Read off the shipped bars; each fires at the same bar of the raw file with its splits.
OWN = [
    ("price_above", {"threshold": "30"}, "MSFT", "2009-03-09T15:00:00Z", "2009-11-17T21:00:00Z"),
    ("price_below", {"threshold": "80"}, "IBM", "2008-07-01T14:00:00Z", "2008-10-27T20:00:00Z"),
    ("price_below", {"threshold": "15"}, "MSFT", "2009-03-10T14:00:00Z", None),
    ("trailing_stop", {"percent": "5"}, "IBM", "2009-06-18T15:00:00Z", "2009-07-06T20:00:00Z"),
]


def test_the_shipped_bars_fire_their_rules(tmp_path: Path) -> None:
    asked = [
        rule(kind, symbol=symbol, trigger_params=params, start=start)
        for kind, params, symbol, start, _ in OWN
    ]
    ran = Ran(tmp_path, asked, "--bars", ADJUSTED)
    assert ran.fires == [[at] if at else [] for *_, at in OWN]
    assert ran.answers[0] == {
        "id": "R1",
        "fires": [{"at": "2009-11-17T21:00:00Z", "price": "30"}],
        "status": "completed",
        "reason": "Executed once.",
    }
    assert ran.answers[2]["status"] == "active"
    assert ran.answers[2]["reason"] == "MSFT at $27.95 is not at or below $15.00."


@pytest.mark.parametrize(
    ("kind", "raw", "adjusted"),
    [
        ("price_below", {"threshold": "64"}, {"threshold": "32"}),
        ("price_above", {"threshold": "90"}, {"threshold": "45"}),
        ("trailing_stop", {"percent": "12.5"}, {"percent": "12.5"}),
        ("trailing_stop", {"amount": "11"}, {"amount": "5.5"}),
        ("change_pct", {"change": "5", "window": "3d"}, {"change": "5", "window": "3d"}),
        ("ma_cross", {"short": 5, "long": 20}, {"short": 5, "long": 20}),
        ("volume_above", {"threshold": "30000000"}, {"threshold": "60000000"}),
        ("from_high", {"percent": "20", "lookback": 50}, {"percent": "20", "lookback": 50}),
    ],
)
def test_printed_prices_with_their_split_fire_as_adjusted_ones(
    tmp_path: Path, kind: str, raw: dict[str, Any], adjusted: dict[str, Any]
) -> None:
    """AAPL split 2:1 on 2005-02-28: a rule made before it is stated in the shares of its day."""
    span = {"start": "2005-01-03T15:00:00Z", "end": "2006-12-29T21:00:00Z", "max_executions": 9}
    split = rule(kind, trigger_params=raw, splits=[["2005-02-28", 2]], **span)
    plain = rule(kind, trigger_params=adjusted, **span)
    with_split, printed = Ran(tmp_path, [split], "--bars", RAW), closes(RAW)
    without = Ran(tmp_path, [plain], "--bars", ADJUSTED)
    assert with_split.fires == without.fires
    assert with_split.fires[0]
    for fire in with_split.answers[0]["fires"]:
        assert Decimal(fire["price"]) == printed[fire["at"]]  # as it stood in the paper that day


def closes(file: Path) -> dict[str, Decimal]:
    rows = csv.DictReader(file.read_text().splitlines())
    return {row["timestamp"]: Decimal(row["close"]) for row in rows if row["symbol"] == "AAPL"}


def test_bars_until_the_start_are_history_and_the_end_still_counts(tmp_path: Path) -> None:
    bars = bars_of(tmp_path, WEEK)
    first = rule(trigger_params={"threshold": "100"}, start="2012-06-06T20:00:00Z")
    last = rule(trigger_params={"threshold": "103"}, end="2012-06-07T20:00:00Z")
    early = rule(trigger_params={"threshold": "103"}, end="2012-06-07T19:59:59Z")
    ran = Ran(tmp_path, [first, last, early], "--bars", bars)
    assert ran.fires == [["2012-06-07T20:00:00Z"], ["2012-06-07T20:00:00Z"], []]


def test_maximum_cooldown_and_dates_count(tmp_path: Path) -> None:
    bars = bars_of(tmp_path, WEEK)
    anything = {"threshold": "1"}
    asked = [
        rule(trigger_params=anything, max_executions=2),
        rule(trigger_params=anything, max_executions=None, cooldown_seconds=2 * 86_400),
        rule(trigger_params=anything, max_executions=None, valid_until="2012-06-07"),
        rule(trigger_params=anything, valid_from="2012-06-08T00:00:00Z"),
    ]
    ran = Ran(tmp_path, asked, "--bars", bars)
    days = [[at[8:10] for at in fires] for fires in ran.fires]
    assert days == [["05", "06"], ["05", "07", "11"], ["05", "06"], ["08"]]
    assert [each["status"] for each in ran.answers] == [
        "completed",
        "active",
        "completed",
        "completed",
    ]
    assert ran.answers[2]["reason"] == "Expired."


def test_a_time_of_day_needs_no_bars_and_is_looked_at_each_whole_minute(tmp_path: Path) -> None:
    clock = {"time": "09:35", "window_minutes": 5}
    asked = [
        rule("time_of_day", symbol="", trigger_params=clock, start="2012-06-08T13:36:20Z"),
        rule("time_of_day", symbol=None, trigger_params=clock, start="2012-06-08T13:40:00Z"),
        rule(
            "time_of_day",
            trigger_params=clock,
            start="2012-06-08T00:00:00Z",
            end="2012-06-12T13:35:00Z",
            max_executions=None,
        ),
    ]
    ran = Ran(tmp_path, asked)
    assert ran.fires == [
        ["2012-06-08T13:37:00Z"],
        ["2012-06-11T13:35:00Z"],
        ["2012-06-08T13:35:00Z", "2012-06-11T13:35:00Z", "2012-06-12T13:35:00Z"],
    ]
    assert ran.answers[0]["fires"][0]["price"] is None


def test_minutes_add_up_to_sessions(tmp_path: Path) -> None:
    """The volume is the session's until then, the reference the last session's close."""
    minutes = [
        f"AAPL,2012-06-{day:02}T13:{minute}:00Z,100,100,100,{price},400"
        for day, prices in ((4, (100, 101, 102)), (5, (96, 95, 94)))
        for minute, price in zip((31, 32, 33), prices, strict=True)
    ]
    bars = bars_of(tmp_path, [line.replace(",100,100,100,", ",100,200,50,") for line in minutes])
    start = "2012-06-04T13:00:00Z"
    asked = [
        rule("volume_above", trigger_params={"threshold": 1000}, start=start, max_executions=None),
        rule(
            "change_pct",
            trigger_params={"change": "6.5", "direction": "down"},
            start=start,
            max_executions=None,
        ),
    ]
    ran = Ran(tmp_path, asked, "--bars", bars)
    assert ran.fires == [
        ["2012-06-04T13:33:00Z", "2012-06-05T13:33:00Z"],
        ["2012-06-05T13:32:00Z", "2012-06-05T13:33:00Z"],
    ]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([*WEEK[:2], *WEEK[3:]], "line 4: timestamp 2012-06-07T20:00:00Z of AAPL follows"),
        ([*WEEK[:3], *WEEK[2:]], "line 5: timestamp 2012-06-06T20:00:00Z of AAPL is there twice"),
        (WEEK[::-1], "line 3: timestamp 2012-06-08T20:00:00Z of AAPL comes after"),
        (
            [*WEEK, "AAPL,2012-06-11T20:30:00Z,100,110,90,100,5"],
            "line 8: timestamp 2012-06-11T20:30:00Z of AAPL is of the same day",
        ),
        ([*WEEK, "AAPL,2012-06-12T20:00:00Z,100,110,90,0,5"], "line 8: Bar of 'AAPL': close 0"),
        ([*WEEK, "AAPL,2012-06-12T20:00:00Z,100,110,0,100,5"], "line 8: Bar of 'AAPL': low 0"),
        ([*WEEK, "AAPL,2012-06-12T20:00:00Z,0,110,90,100,5"], "line 8: Bar of 'AAPL': open 0"),
        ([*WEEK, "AAPL,2012-06-12T20:00:00Z,100,110,90,111,5"], "line 8: Bar of 'AAPL': close 111"),
        ([*WEEK, "AAPL,2012-06-12T20:00:00Z,100,110,90,-1,5"], "line 8: Bar of 'AAPL': close -1"),
        ([*WEEK, "AAPL,2012-06-12T20:00:00Z,100,110,90,NaN,5"], "line 8: close 'NaN'"),
        ([*WEEK, "AAPL,2012-06-12T20:00:00Z,100,110,90,100,x"], "line 8: volume 'x'"),
        ([*WEEK, "AAPL,2012-06-31T20:00:00Z,100,110,90,100,5"], "line 8: timestamp '2012-06-31"),
        ([*WEEK, "AAPL,2012-06-12,100,110,90,100,5"], "line 8: timestamp '2012-06-12'"),
        ([*WEEK, "aapl,2012-06-12T20:00:00Z,100,110,90,100,5"], "line 8: Bar of 'aapl': symbol"),
        ([*WEEK, "AAPL,2012-06-12T20:00:00Z,100,110"], "line 8: has 4 values, the header 7"),
        (["AAPL,0001-01-01T20:00:00Z,100,110,90,100,5"], "line 2: Bar of 'AAPL': timestamp 0001"),
        (["AAPL,9999-12-31T20:00:00Z,100,110,90,100,5"], "line 2: Bar of 'AAPL': timestamp 9999"),
        ([], "has a header and no bars"),
    ],
)
def test_bars_that_cannot_be_are_refused_whole_by_line_and_column(
    tmp_path: Path, lines: Sequence[str], words: str
) -> None:
    ran = Ran(tmp_path, [rule()], "--bars", bars_of(tmp_path, lines))
    assert (ran.code, ran.answers) == (command.NOTHING_READ, [])
    assert words in ran.complaint
    assert ran.complaint.count("\n") == 1


def test_a_missing_column_a_missing_file_and_other_encodings_are_refused(tmp_path: Path) -> None:
    header = HEADER.replace(",low", "")
    assert "line 1: the header has no column low" in complaint(
        tmp_path, bars_of(tmp_path, [], header)
    )
    assert "cannot be read" in complaint(tmp_path, tmp_path / "none.csv")
    file = tmp_path / "latin.csv"
    file.write_bytes(f"{HEADER}\n{WEEK[0]}\n".encode() + b"\xe9\n")
    assert "is not UTF-8" in complaint(tmp_path, file)


def complaint(tmp_path: Path, bars: Path) -> str:
    ran = Ran(tmp_path, [rule()], "--bars", bars)
    assert (ran.code, ran.answers) == (command.NOTHING_READ, [])
    return ran.complaint


def test_an_open_that_is_a_misprint_and_a_market_open_every_day_are_taken(tmp_path: Path) -> None:
    misprint = [*WEEK, "AAPL,2012-06-12T20:00:00Z,1100,110,90,105,5"]
    ran = Ran(tmp_path, [rule()], "--bars", bars_of(tmp_path, misprint))
    assert ran.code == command.ALL_ANSWERED
    days = [f"AAPL,2012-06-{day:02}T20:00:00Z,9,9,9,9,5" for day in (8, 9, 10, 11)]
    ran = Ran(tmp_path, [rule()], "--bars", bars_of(tmp_path, days), "every-day")
    assert ran.code == command.ALL_ANSWERED
    ran = Ran(tmp_path, [rule()], "--bars", bars_of(tmp_path, WEEK), "every-day")
    assert "the session of 2012-06-09 between them is missing" in ran.complaint


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (rule(trigger_params={"threshold": "-1"}), "trigger_params.threshold: "),
        (rule(trigger_params={"threshold": float("nan")}), "trigger_params.threshold: "),
        (rule("nothing"), "trigger_type: “nothing” is not known"),
        (rule(symbol="IBM"), "symbol: No bars of IBM are given: there are those of AAPL"),
        (rule(start="yesterday"), "start: "),
        (rule(start="2012-06-04"), "start: "),
        (rule(end="2012-06-01T00:00:00Z"), "end: It must not be before start."),
        (rule(max_executions=0), "max_executions: "),
        (rule(max_executions=True), "max_executions: "),
        (rule(cooldown_seconds=-1), "cooldown_seconds: "),
        (rule(valid_until="2012-06-01"), "valid_until: It must be later"),
        (rule(splits=[["2012-06-05", 0]]), "splits.0.1: "),
        (rule(splits=[["2012-06-05", 2], ["2012-06-05", 2]]), "splits: Two splits"),
        (rule(colour="red"), "colour: There is no such parameter."),
        (rule("drift", trigger_params={"tolerance_pct": "5"}), "trigger_type: It goes with"),
        ({"id": "R1"}, "trigger_type: This is needed."),
        ('{"id": "R1", ', "JSON"),
        ("[]", "Line 1: "),
        ("[" * 100_000, "Line 1: "),
    ],
)
def test_a_line_that_is_no_rule_says_so_and_the_others_are_answered(
    tmp_path: Path, line: object, words: str
) -> None:
    ran = Ran(tmp_path, [line, rule(id=7)], "--bars", bars_of(tmp_path, WEEK))
    assert ran.code == command.SOME_INVALID
    wrong, right = ran.answers
    assert wrong["status"] == "invalid"
    assert wrong["fires"] == []
    assert words in wrong["reason"]
    assert wrong["id"] == ("R1" if isinstance(line, dict) else None)
    assert right["id"] == 7
    assert right["fires"] == [{"at": "2012-06-07T20:00:00Z", "price": "103"}]


def test_manage_py_answers_without_settings_and_without_a_database(tmp_path: Path) -> None:
    rules = tmp_path / "rules.jsonl"
    rules.write_text(json.dumps(rule()) + "\n\n")
    done = subprocess.run(
        [
            sys.executable,
            ROOT / "manage.py",
            "backtest",
            f"--bars={bars_of(tmp_path, WEEK)}",
            f"--rules={rules}",
        ],
        cwd=tmp_path,
        env={},
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    assert json.loads(done.stdout)["fires"] == [{"at": "2012-06-07T20:00:00Z", "price": "103"}]


def test_django_knows_the_command_too(tmp_path: Path) -> None:
    rules = tmp_path / "rules.jsonl"
    rules.write_text(json.dumps(rule()))
    said = StringIO()
    call_command("backtest", f"--bars={bars_of(tmp_path, WEEK)}", f"--rules={rules}", stdout=said)
    assert json.loads(said.getvalue())["status"] == "completed"
    with pytest.raises(SystemExit):
        call_command("backtest", f"--rules={rules}", stdout=StringIO())
