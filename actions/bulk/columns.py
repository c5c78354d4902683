"""What a file of rules has of each rule: the columns of a CSV file, the names in JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, StrictBool, StrictInt, StrictStr

from actions.api.shapes import LONGEST_NOTES
from actions.drafting import LONGEST_EXTERNAL_ID
from actions.fields import Quantity, Usd
from actions.rules import Status
from rest.bodies import Body, Instant, InstantOrDay
from rest.parsing import STRICT_JSON, NameTwice, faults_of

ANY = "any"  # in CSV: executions without a limit, which an empty cell must not mean

_Type = Annotated[StrictStr, Field(max_length=40)]


class Line(Body):
    """A rule as a line of a file asks for it: as the API's, but for its name, and the portfolio."""

    external_id: Annotated[StrictStr, Field(min_length=1, max_length=LONGEST_EXTERNAL_ID)]
    status: Status | None = None
    action_type: _Type
    symbol: Annotated[StrictStr, Field(min_length=1, max_length=40)] | None = None
    quantity: Quantity | None = None
    amount_usd: Usd | None = None
    action_params: dict[str, Any] = Field({})
    trigger_type: _Type
    trigger_params: dict[str, Any]
    portfolio: Annotated[StrictStr, Field(min_length=1, max_length=100)] | None = None
    valid_from: Instant | None = None
    valid_until: InstantOrDay | None = None
    max_executions: StrictInt | None = 1
    cooldown_seconds: StrictInt | None = None
    rehearsal: StrictBool | None = None
    notes: Annotated[StrictStr, Field(max_length=LONGEST_NOTES)] | None = None

    def given(self) -> dict[str, Any]:
        """The fields that the file has, but for those of which nothing follows when it says
        nothing: they depend on when the rule was made."""
        return {
            name: value
            for name in self.model_fields_set
            if (value := getattr(self, name)) is not None or name not in _AS_IT_IS
        }


@dataclass(frozen=True, slots=True)
class Column:
    """A column: what it says, and what nothing in it means."""

    name: str
    says: str
    empty: str
    told_only: bool = False  # written to files, passed over when they are read

    @property
    def plainly(self) -> str:
        """What it says, without marks of Markdown."""
        return self.says.replace("`", "")


_NEEDED, _NONE = "must be there", "none"
COLUMNS = (
    Column("external_id", "Your own name for the rule, or the id of one without", _NEEDED),
    Column("description", "The rule as a sentence", "", told_only=True),
    Column("status", "`active` or `paused`; `cancelled` ends a rule that is there", "as it is"),
    Column("action_type", "`BUY`, `SELL`, `REBALANCE`, `NOTIFY`", _NEEDED),
    Column("symbol", "What is traded, or else watched", _NONE),
    Column("quantity", "Shares", _NONE),
    Column("amount_usd", "Dollars, instead of a quantity", _NONE),
    Column("action_params", "The effect's further parameters, as JSON", _NONE),
    Column("trigger_type", "Such as `price_below`", _NEEDED),
    Column("trigger_params", "The trigger's parameters, as JSON", _NEEDED),
    Column("portfolio", "Name or id of a portfolio of the owner's", "as it is, or the primary one"),
    Column("valid_from", "An instant with its offset from UTC", "as it is, or now"),
    Column("valid_until", "An instant, or a day: then that day's close", "no end"),
    Column("max_executions", f"A whole number; `{ANY}` (in JSON `null`) for no limit", "1"),
    Column("cooldown_seconds", "Whole seconds", _NONE),
    Column("rehearsal", "`yes`: it trades nothing (in JSON `true`)", "as it is, or `no`"),
    Column("notes", f"At most {LONGEST_NOTES} characters", _NONE),
    Column("executions_count", "How often it was executed", "", told_only=True),
    Column("last_triggered_at", "When it last was", "", told_only=True),
    Column("created_at", "When it was made", "", told_only=True),
)
NAMES = tuple(column.name for column in COLUMNS)
NEEDED = frozenset(column.name for column in COLUMNS if column.empty == _NEEDED)
TOLD_ONLY = frozenset(column.name for column in COLUMNS if column.told_only)
_AS_IT_IS = frozenset(column.name for column in COLUMNS if column.empty.startswith("as it is"))

_JSON = frozenset({"action_params", "trigger_params"})
_YES_OR_NO = {"yes": True, "no": False}
_WHOLE = frozenset({"max_executions", "cooldown_seconds"})
_DEFAULTS: Mapping[str, Any] = {
    name: field.get_default()
    for name, field in Line.model_fields.items()
    if not field.is_required() and name not in _AS_IT_IS
}


class Unfit(ValueError):
    """A cell that says nothing that its column can take, with the remedy."""


def value_of(name: str, cell: str) -> Any:
    """What a CSV cell says, as JSON would have it. Raises Unfit."""
    if not cell:
        return _DEFAULTS.get(name)
    if name in _JSON:
        return _object(cell)
    if name == "max_executions" and cell.strip().lower() == ANY:
        return None
    if name in _WHOLE:
        return _whole(name, cell)
    if name == "rehearsal":
        return _yes_or_no(cell)
    return cell


def _object(cell: str) -> Any:
    try:
        value = STRICT_JSON.decode(cell)
    except NameTwice as twice:
        raise Unfit(str(twice)) from None
    except RecursionError:
        raise Unfit("It is nested too deeply.") from None
    except ValueError:
        raise Unfit('Write an object as JSON, such as {"threshold": "150"}.') from None
    if not isinstance(value, dict):
        raise Unfit('Write an object as JSON, such as {"threshold": "150"}.')
    for path, words in faults_of(value).items():
        raise Unfit(f"{path}: {words}")
    return value


def _whole(name: str, cell: str) -> int:
    digits = cell.strip()
    if not (digits.isascii() and digits.removeprefix("-").isdigit() and len(digits) <= 18):
        no_limit = f", or “{ANY}” for no limit" if name == "max_executions" else ""
        raise Unfit(f"Use a whole number{no_limit}.")
    return int(digits)


def _yes_or_no(cell: str) -> bool:
    said = _YES_OR_NO.get(cell.strip().lower())
    if said is None:
        raise Unfit("Use “yes” or “no”.")
    return said


def cell_of(name: str, value: Any) -> str:
    """What `value_of` reads as this value of a rule, which is text, a number or nothing."""
    if value is None:
        return ANY if name == "max_executions" else ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
