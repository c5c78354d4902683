"""`manage.py backtest`: rules over a file of bars, without Django and without a database."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

HELP = "Says what rules would have done over past bars: a line of JSON in, a line of JSON out."
ALL_ANSWERED, SOME_INVALID, NOTHING_READ = 0, 1, 2  # exit codes
EXCHANGE, EVERY_DAY = "exchange", "every-day"


class Writer(Protocol):
    def write(self, text: str, /) -> object: ...


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--bars",
        type=Path,
        help="CSV: symbol,timestamp,open,high,low,close,volume; not needed by rules without prices",
    )
    parser.add_argument("--rules", type=Path, required=True, help="a rule of JSON on each line")
    parser.add_argument(
        "--sessions",
        choices=(EXCHANGE, EVERY_DAY),
        default=EXCHANGE,
        help="the market's: those of the New York exchange, or one each day, ending at 16:00 there",
    )


def run(bars: Path | None, rules: Path, sessions: str, out: Writer, complain: Writer) -> int:
    """Answers each line of `rules`; the exit code. What cannot be read is said in one line."""
    # Not before the arguments are known to be right: arrays take a tenth of a second to import.
    from actions.backtest.calendar import ClosesIncluded  # noqa: PLC0415
    from actions.backtest.lines import INVALID, answer  # noqa: PLC0415
    from actions.backtest.reading import read_series  # noqa: PLC0415
    from market.bars import BadBars  # noqa: PLC0415
    from market.hours import AlwaysOpen  # noqa: PLC0415

    calendar = ClosesIncluded() if sessions == EXCHANGE else AlwaysOpen()
    try:
        lines = rules.read_text(encoding="utf-8-sig").split("\n")
        series = read_series(bars, calendar) if bars else {}
    except (BadBars, OSError, UnicodeDecodeError) as wrong:
        complain.write(f"{_in_words(wrong, rules)}\n")
        return NOTHING_READ
    code = ALL_ANSWERED
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        answered = answer(line, number, series, calendar)
        code = SOME_INVALID if answered["status"] == INVALID else code
        out.write(json.dumps(answered) + "\n")
    return code


def _in_words(wrong: Exception, rules: Path) -> str:
    if isinstance(wrong, UnicodeDecodeError):
        return f"{rules}: byte {wrong.start} is not UTF-8 text. Save the file as UTF-8."
    if isinstance(wrong, OSError):
        return f"{rules}: cannot be read ({wrong.strerror}). Name a file of rules."
    return str(wrong)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="manage.py backtest", description=HELP)
    add_arguments(parser)
    chosen = parser.parse_args(arguments)
    return run(chosen.bars, chosen.rules, chosen.sessions, sys.stdout, sys.stderr)
