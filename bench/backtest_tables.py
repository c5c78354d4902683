"""What `bench.backtest` has measured as the tables of docs/backtest.md."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.backtest_ours import SETS
from bench.machine import machine_in_words

RULES = {
    "trailing_stop": "trailing stop, 5 %",
    "price_below": "price below",
    "ma_cross": "averages cross, 20/50",
}
PEERS = {
    "vectorbt, Rust": "vectorbt rust",
    "vectorbt, Numba": "vectorbt numba",
    "backtesting.py": "backtesting.py",
}

type Measured = Mapping[str, Any]  # one rule over so many bars
type Cell = Callable[[Measured, str], str]


@dataclass(frozen=True)
class Table:
    """A table with a row for each rule and number of bars; `columns` has the heads and, for each,
    the name of what is measured. Rows and columns of which nothing was measured are left out."""

    title: str
    columns: Mapping[str, str]
    cell: Cell

    def lines(self, measured: Sequence[Measured]) -> Iterator[str]:
        names = {name for each in measured for name in each["seconds"]}
        shown = {head: name for head, name in self.columns.items() if name in names}
        yield f"| {self.title} | bars | {' | '.join(shown)} |"
        yield "|---" + "|---:" * (len(shown) + 1) + "|"
        for each in measured:
            if not any(name in each["seconds"] for name in shown.values()):
                continue
            cells = [
                self.cell(each, name) if name in each["seconds"] else "" for name in shown.values()
            ]
            yield f"| {RULES[each['kind']]} | {each['bars']:,} | {' | '.join(cells)} |"


def _ms(each: Measured, name: str) -> str:
    return f"{each['seconds'][name][0] * 1000:,.2f}"


def _s(each: Measured, name: str) -> str:
    return f"{each['seconds'][name][0]:,.2f}"


def _ms_and_rate(each: Measured, name: str) -> str:
    return f"{_ms(each, name)} ({each['mbar_sets_per_s'][name]:,.0f})"


TABLES = (
    Table(
        "one rule, ms",
        {
            "first firing": "ours, first fire",
            "never fires": "ours, never fires",
            "all firings": "ours, all fires",
            "all, made": "ours, all fires made",
            **PEERS,
            "NumPy alone": "NumPy alone",
        },
        _ms,
    ),
    Table(
        f"{SETS:,} settings, ms (million bar-sets/s)",
        {
            "ours": "sweep of ours",
            "vectorbt, Rust": "sweep of vectorbt rust",
            "NumPy alone": "sweep of NumPy alone",
        },
        _ms_and_rate,
    ),
    Table(
        "process start to result, s",
        {
            "ours, first firing": "process of ours, first fire",
            "ours, all firings": "process of ours, all fires",
            **{head: f"process of {name}" for head, name in PEERS.items()},
            "Numba, nothing compiled": "process of vectorbt numba, nothing compiled",
        },
        _s,
    ),
)


def tables(figures: Mapping[str, Any]) -> str:
    """The least of the rounds, in Markdown."""
    machine, took = machine_in_words(figures["machine"]), figures["took_s"]
    lines = [f"Measured on {machine}, in {took:.0f} s; rounds: {figures['rounds']}."]
    for table in TABLES:
        lines += ["", *table.lines(figures["measured"])]
    return "\n".join([*lines, "", *_firings(figures["measured"])])


def _firings(measured: Sequence[Measured]) -> Iterator[str]:
    """How many there are, and in how many bars those of the peers are others."""
    compared = {name for each in measured for name in each["differing_bars"]}
    shown = {head: name for head, name in PEERS.items() if name in compared}
    heads = ["firings", "bars", "ours", *(f"{head}: other bars" for head in shown)]
    yield f"| {' | '.join(heads)} |"
    yield "|---" + "|---:" * (len(shown) + 2) + "|"
    for each in measured:
        differing = each["differing_bars"]
        others = [f"{differing[name]:,}" if name in differing else "" for name in shown.values()]
        cells = [RULES[each["kind"]], f"{each['bars']:,}", f"{each['fires']:,}", *others]
        yield f"| {' | '.join(cells)} |"
