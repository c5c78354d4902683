from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from market.bars import BadBars, read_bars

DATA = Path(__file__).resolve().parents[2] / "market" / "data"
HEADER = "symbol,timestamp,open,high,low,close,volume"
FIRST = "AAPL,2008-10-09T20:00:00Z,90,96,86,88,80"
SECOND = "AAPL,2008-10-10T20:00:00Z,86,100,85,97,79"


@pytest.mark.parametrize("name", ["splitadj", "raw"])
def test_the_shipped_files_read_without_a_fault(name: str) -> None:
    bars = read_bars(DATA / f"daily_wiki_2000_2013_{name}.csv")
    counted = {symbol: len(of) for symbol, of in bars.items()}
    assert counted == {"AAPL": 3270, "IBM": 3270, "MSFT": 3270, "GOOG": 2148, "FB": 196}


def test_bars_are_read_by_symbol_in_order(tmp_path: Path) -> None:
    file = tmp_path / "bars.csv"
    other = "BRK.B,2008-10-09T16:00:00-04:00,1.5,1.5,1.5,1.5,0"
    file.write_text(f"\ufeff{HEADER},source\r\n{FIRST},x\r\n\r\n{other},y\r\n{SECOND},z\r\n")
    bars = read_bars(file)
    assert [bar.session for bar in bars["AAPL"]] == [date(2008, 10, 9), date(2008, 10, 10)]
    assert bars["AAPL"][1].close == Decimal(97)
    (bar,) = bars["BRK.B"]
    assert (bar.at.isoformat(), bar.volume) == ("2008-10-09T20:00:00+00:00", 0)


WRONG = {
    "empty": ("", "is empty. Its first line must be symbol,timestamp,"),
    "only a header": (HEADER, "has a header and no bars. Add a line for each session."),
    "no header": (FIRST, "line 1: the header has no column symbol, timestamp"),
    "column missing": (
        HEADER.replace(",low", "") + f"\n{FIRST}",
        "line 1: the header has no column low. It must have symbol,",
    ),
    "column twice": (f"{HEADER},close\n{FIRST},1", "line 1: the header has close twice. Leave"),
    "semicolons": (
        f"{HEADER}\n{FIRST}".replace(",", ";"),
        "line 1: .* It must have symbol,.*. Separate columns with commas.",
    ),
    "ten megabytes": (
        f"{HEADER}\n{FIRST.replace('96', '9' * 10**7)}",
        "line 2: high has 10,000,000 characters. Give it at most 100.",
    ),
    "below a cell of two lines": (
        f'{HEADER},note\n{FIRST},"one\ntwo"\n{SECOND.replace("97", "x")},',
        "line 4: close 'x' is not a number",
    ),
    "value missing": (
        f"{HEADER}\nAAPL,2008-10-09T20:00:00Z,90",
        "line 2: has 3 values, the header 7",
    ),
    "value too many": (f"{HEADER}\n{FIRST},1", "line 2: has 8 values, the header 7."),
    "word": (
        f"{HEADER}\n{FIRST.replace('96', 'n/a')}",
        "line 2: high 'n/a' is not a number. Write",
    ),
    "nan": (f"{HEADER}\n{FIRST.replace('96', 'NaN')}", "line 2: high 'NaN' is not a number"),
    "infinite": (f"{HEADER}\n{FIRST.replace('96', 'inf')}", "line 2: high 'inf' is not a number"),
    "empty number": (f"{HEADER}\n{FIRST.replace('96', '')}", "line 2: high '' is not a number"),
    "underscore": (f"{HEADER}\n{FIRST.replace('96', '9_6')}", "line 2: high '9_6' is not a number"),
    "negative": (
        f"{HEADER}\n{FIRST.replace('86', '-86')}",
        "line 2: Bar of 'AAPL': low -86 is not above 0 and below a trillion, to 6 decimals. ",
    ),
    "zero": (
        f"{HEADER}\n{FIRST.replace('86', '0')}",
        "line 2: Bar of 'AAPL': low 0 is not above 0",
    ),
    "high below low": (
        f"{HEADER}\n{FIRST.replace('96', '85')}",
        "line 2: Bar of 'AAPL': high 85.000000 is below low 86.000000. Correct that value",
    ),
    "close outside": (
        f"{HEADER}\n{FIRST.replace('88', '97')}",
        "close 97.000000 is not within low",
    ),
    "broken volume": (
        f"{HEADER}\n{FIRST.replace(',80', ',8.5')}",
        "line 2: volume '8.5' is not a whole number of shares",
    ),
    "negative volume": (f"{HEADER}\n{FIRST.replace(',80', ',-8')}", "volume -8 is not between 0"),
    "small symbol": (
        f"{HEADER}\n{FIRST.lower()}",
        "line 2: timestamp|line 2: Bar of 'aapl': symbol",
    ),
    "naive": (
        f"{HEADER}\n{FIRST.replace('Z', '')}",
        "line 2: timestamp '2008-10-09T20:00:00' is not an instant with its zone. Write it",
    ),
    "no instant": (
        f"{HEADER}\n{FIRST.replace('2008-10-09T20:00:00Z', '9.10.08')}",
        "'9.10.08' is not",
    ),
    "beyond the calendar": (
        f"{HEADER}\n{FIRST.replace('2008-10-09T20:00:00Z', '9999-12-31T23:00:00-10:00')}",
        "timestamp 9999-12-31 23:00:00-10:00 is beyond the calendar. Correct that value",
    ),
    "out of order": (
        f"{HEADER}\n{SECOND}\n{FIRST}",
        "line 3: timestamp 2008-10-09T20:00:00Z of AAPL is not a session later than 2008-10-10T20",
    ),
    "twice": (
        f"{HEADER}\n{FIRST}\n{FIRST}",
        "line 3: timestamp 2008-10-09T20:00:00Z of AAPL is not",
    ),
    "twice a session": (
        f"{HEADER}\n{FIRST}\n{FIRST.replace('T20', 'T21')}",
        "line 3: timestamp 2008-10-09T21:00:00Z of AAPL is not a session later",
    ),
    "open quote": (f'{HEADER}\n"{FIRST}', "line 2: is not CSV"),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_with_a_file_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "bars.csv"
    file.write_text(text)
    with pytest.raises(BadBars, match=message) as refused:
        read_bars(file)
    assert str(refused.value).startswith(str(file))
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadBars, match=r"none\.csv: cannot be read \(No such file"):
        read_bars(tmp_path / "none.csv")
    with pytest.raises(BadBars, match=r"cannot be read \(Is a directory\)"):
        read_bars(tmp_path)


def test_a_file_in_another_encoding_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "bars.csv"
    file.write_bytes(f"{HEADER}\n".encode() + b"\xff\xfe")
    with pytest.raises(BadBars, match=r"bars\.csv: .*is not UTF-8 text\. Save the file as UTF-8\."):
        read_bars(file)


def test_blank_lines_do_not_shift_the_line_that_is_named(tmp_path: Path) -> None:
    file = tmp_path / "bars.csv"
    file.write_text(f"{HEADER}\n\n\n{FIRST.replace('96', 'x')}\n")
    with pytest.raises(BadBars, match="line 4: high 'x'"):
        read_bars(file)
