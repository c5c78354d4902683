"""What the page of a backtest shows of what it found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from actions.models import Backtest
from actions.overview.charts import TimeAxis
from actions.pages.plots import Column, Plot, Tick, columns, curves
from actions.registry import trigger_types
from actions.wizard.questions import questions
from portfolios.money import format_usd

MOST_SHOWN = 100  # rows of a table; the API has them all
MOST_MARKS = 150  # more than that nobody can tell apart
FEW = 12  # rows that are shown at once, and marks that have room for words


@dataclass(frozen=True, slots=True)
class Equity:
    """The portfolio's worth beside that of the cash put into the symbol and held."""

    plot: Plot
    rows: Sequence[tuple[datetime, Decimal, Decimal]]
    words: str

    @property
    def first(self) -> tuple[datetime, Decimal, Decimal]:
        return self.rows[0]

    @property
    def last(self) -> tuple[datetime, Decimal, Decimal]:
        return self.rows[-1]

    @property
    def ahead(self) -> Decimal:
        """By how much the rule was worth more at the end than holding."""
        return self.last[1] - self.last[2]


@dataclass(frozen=True, slots=True)
class Swept:
    """A number of the trigger at several values. `highest` is the row that was worth most, where
    worths can be told and differ."""

    label: str
    rows: Sequence[Mapping[str, Any]]
    columns: Sequence[Column]
    ticks: Sequence[Tick]
    worth: Plot | None
    highest: Mapping[str, Any] | None
    fires_words: str
    worth_words: str

    @property
    def last(self) -> Mapping[str, Any]:
        return self.rows[-1]


def found_in(backtest: Backtest) -> dict[str, Any]:
    """The parts of templates/actions/backtests/found.html."""
    found = backtest.found
    return {
        "chart": _chart(found) if found and found["prices"] else None,
        "equity": _equity(found["equity"]) if found and found["equity"] else None,
        "few": FEW,
        "fires": _rows(found, "fires"),
        "trades": _rows(found, "trades"),
        "blocked": _rows(found, "blocked"),
        "swept": _swept(backtest) if backtest.swept else None,
    }


def _rows(found: Mapping[str, Any] | None, name: str) -> Sequence[Mapping[str, Any]]:
    if not found:
        return ()
    numbers = {"price", "quantity", "amount", "commission", "cash_after"}
    return [
        {
            key: datetime.fromisoformat(value)
            if key == "at"
            else Decimal(value)
            if key in numbers and value is not None
            else value
            for key, value in row.items()
        }
        for row in found[name][:MOST_SHOWN]
    ]


def _chart(found: Mapping[str, Any]) -> dict[str, Any]:
    """As static/js/chart.js has it: the closes, and a mark for each trade, firing and refusal."""
    instants = [datetime.fromisoformat(at) for at, _ in found["prices"]]
    axis = TimeAxis(instants)
    closes = [Decimal(close) for _, close in found["prices"]]
    words = {"buy": "Bought", "sell": "Sold"}
    marks = [(trade["at"], trade["side"], words[trade["side"]]) for trade in found["trades"]]
    traded = {at for at, _, _ in marks}
    marks += [(fire["at"], "told", "Fired") for fire in found["fires"] if fire["at"] not in traded]
    marks += [(blocked["at"], "failed", "Held back") for blocked in found["blocked"]]
    marks = sorted(marks)[:MOST_MARKS]
    return {
        "prices": axis.points(list(zip(instants, closes, strict=True))),
        "marks": [
            {
                "time": axis.time(datetime.fromisoformat(at)),
                "kind": kind,
                "words": told if len(marks) <= FEW else "",
            }
            for at, kind, told in marks
        ],
    }


def _equity(curve: Sequence[Mapping[str, str]]) -> Equity:
    rows = [
        (datetime.fromisoformat(each["at"]), Decimal(each["portfolio"]), Decimal(each["held"]))
        for each in curve
    ]
    plot = curves([portfolio for _, portfolio, _ in rows], [held for _, _, held in rows])
    (_, began, held_began), (_, ended, held_ended) = rows[0], rows[-1]
    words = (
        f"Worth with the rule: from {format_usd(began)} to {format_usd(ended)}. "
        f"Bought and held: from {format_usd(held_began)} to {format_usd(held_ended)}. "
        "The table has the values between."
    )
    return Equity(plot, rows, words)


def _swept(backtest: Backtest) -> Swept:
    rows = [
        {
            **row,
            "value": Decimal(row["value"]),
            "worth": None if row["worth"] is None else Decimal(row["worth"]),
            "first_at": row["first_at"] and datetime.fromisoformat(row["first_at"]),
        }
        for row in backtest.swept
    ]
    bars, ticks = columns([Decimal(row["fires"]) for row in rows])
    worths = [row["worth"] for row in rows if row["worth"] is not None]
    highest = max(rows, key=lambda row: row["worth"]) if len(set(worths)) > 1 else None
    fires = [row["fires"] for row in rows]
    most = rows[fires.index(max(fires))]
    worth_words = ""
    if highest is not None:
        worth_words = (
            f"Worth at the end by {_label(backtest).lower()}: from {format_usd(min(worths))} to "
            f"{format_usd(max(worths))}, which is that of {highest['value']:f}. The table has all."
        )
    return Swept(
        label=_label(backtest),
        rows=rows,
        columns=bars,
        ticks=ticks,
        worth=curves(worths) if highest is not None else None,
        highest=highest,
        fires_words=f"Firings by {_label(backtest).lower()}: from {min(fires)} to {max(fires)}, "
        f"which is that of {most['value']:f}. The table has all.",
        worth_words=worth_words,
    )


def _label(backtest: Backtest) -> str:
    trigger = trigger_types()[backtest.terms["draft"]["trigger_type"]]
    return questions(trigger)[backtest.terms["parameter"]].label
