"""Reads what people type about rules, without a model. Pure.

It understands a text fully or asks the one question that is missing: every word must find its
place, and no symbol, size or side is guessed.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from actions.sentence import sentence
from chat.phrases import guard, pieces, questions
from chat.phrases.clauses import NotUnderstood, parts
from chat.phrases.command_words import command
from chat.phrases.commands import carried_out
from chat.phrases.compose import compose, rule_of
from chat.phrases.dates import Dates
from chat.phrases.names import Names
from chat.phrases.repairs import quotes, repaired, without_quotes
from chat.phrases.scanner import Scanner, slips
from chat.phrases.tokens import Token
from chat.phrases.understood import Intent, KnownRule, Question, Refused, Understood
from chat.phrases.vocabulary import table
from chat.phrases.world import World
from market.directory import Directory
from market.hours import TradingCalendar

LONGEST = 1_000  # characters
MOST_TOKENS = 150
_EXAMPLE = "Such as “sell 10 AAPL if it drops below 150”."
_JUDGED = "What does that mean in numbers? Say a price or a percentage, such as “below 150”."
_UNKNOWABLE: Mapping[str, str] = {
    **dict.fromkeys(
        [
            "cheap",
            "cheaper",
            "expensive",
            "good",
            "bad",
            "better",
            "low",
            "high",
            "great",
            "undervalued",
            "overvalued",
            "soon",
            "later",
            "bullish",
            "bearish",
            "attractive",
            "oversold",
            "overbought",
            "volatile",
            "big",
            "small",
        ],
        _JUDGED,
    ),
    **dict.fromkeys(
        [
            "earnings",
            "dividend",
            "dividends",
            "news",
            "announcement",
            "merger",
            "split",
            "ipo",
            "fed",
            "election",
            "resigns",
            "ceo",
            "cfo",
            "ipo",
            "cpi",
            "gdp",
        ],
        "I know prices, volumes and times, but no events. Say a price or a day instead.",
    ),
    **dict.fromkeys(
        ["closes", "closing", "closed", "settles"],
        "A rule watches the price while the market trades, not its close. Say “drops "
        "below” or “rises "
        "above” if that is meant.",
    ),
    **dict.fromkeys(
        [
            "rsi",
            "macd",
            "adx",
            "obv",
            "bollinger",
            "vwap",
            "atr",
            "beta",
            "pe",
            "p/e",
            "eps",
            "fibonacci",
        ],
        "I know prices, percentages, volumes and moving averages, but not that. What "
        "shall it wait for?",
    ),
    **dict.fromkeys(
        ["stays", "stay", "remains", "remain", "holds", "keeps"],
        "A rule fires as soon as the price is there; it does not wait whether it stays. Say “is "
        "below” or “is above” if that is meant.",
    ),
    **dict.fromkeys(
        ["value"],
        "A rule watches the price of one share, not what all of them are worth. At which price, "
        "such as “below $150”?",
    ),
    **dict.fromkeys(
        ["btc", "eth", "xrp", "djia", "dax"],
        "Coins and indices are not traded here. If the fund of that symbol is meant, and its own "
        "price, write it with a dollar sign, such as $BTC.",
    ),
    **dict.fromkeys(
        ["profit", "loss", "gains", "losses"],
        "A profit or a loss since when? Say “20 % above what I paid”, or “up 5 % on the day”.",
    ),
    **dict.fromkeys(
        [
            "about",
            "around",
            "approximately",
            "roughly",
            "nearly",
            "almost",
            "maybe",
            "perhaps",
            "probably",
        ],
        "Please say it exactly: a rule needs one number.",
    ),
}


def read(
    text: str,
    *,
    now: datetime,
    zone: ZoneInfo,
    calendar: TradingCalendar,
    directory: Directory,
    holdings: Mapping[str, Decimal] | None = None,
    rules: Sequence[KnownRule] | None = None,
    prices: Mapping[str, Decimal] | None = None,
) -> Understood:
    """What `text` asks for, at `now`, by a user whose clocks show `zone`.

    `holdings` are shares by symbol and `rules` the user's; None where no user is known. `prices`
    are the last ones by symbol:
        "hits 200" is a rise or a fall by them. Raises nothing for any text.
    """
    world = World(now, zone, calendar, directory, holdings, rules, {} if prices is None else prices)
    try:
        guard.check_direction(text)
        return _Reader(world).read(pieces.plain(text[: LONGEST * 2]))
    except Refused as refused:
        return Understood(Intent.REFUSE, str(refused))
    except Question as question:
        return Understood(Intent.ASK, str(question))


class _Reader:
    def __init__(self, world: World) -> None:
        own = {rule.symbol for rule in world.rules or () if rule.symbol} | set(world.holdings or ())
        self._world = world
        self._names = Names(world.directory, frozenset(own), slips())
        self._scanner = Scanner(self._names, Dates(world.now, world.zone, world.calendar))

    def read(self, text: str) -> Understood:
        if not text:
            raise Question(f"What shall the rule do? {_EXAMPLE}")
        if len(text) > LONGEST:
            raise Question(f"That is too long. Say one rule in at most {LONGEST} characters.")
        own = without_quotes(text)
        guard.check(own)
        if questions.is_question(own) and not (found := command(own)):
            return questions.answered(own, self._tokens(own))
        if quotes(text):
            raise Question(
                "What stands between quotation marks I do not carry out. What shall I do?"
            )
        if found := command(text):
            return carried_out(found[0], text, self._tokens(found[1]), self._names, self._world)
        return self._rule(text)

    def _tokens(self, text: str) -> list[Token]:
        return next(self._scanner.readings(text))

    # --- Rules ---

    def _rule(self, text: str) -> Understood:
        fixed = repaired(text)
        if word := guard.negation(fixed.text):
            raise Question(
                f"I do not read sentences with “{word}”. Say what shall happen, and when. "
                f"{_EXAMPLE}"
            )
        if fixed.unclear:
            raise Question(
                f"What do you take back there? Please write the whole rule again. {_EXAMPLE}"
            )
        body = self._body(fixed.text)
        body["notes"] = fixed.note
        words = sentence(rule_of(body, self._world.now), self._world.zone)
        return Understood(Intent.CREATE, words, action=body)

    def _body(self, text: str) -> dict[str, Any]:
        """The one rule that the text can be; the first question where it is none."""
        bodies: list[dict[str, Any]] = []
        asked: Question | None = None
        for tokens in self._scanner.orders(text):
            try:
                body = self._composed(tokens)
            except Question as question:
                asked = asked or question
            else:
                if body not in bodies:
                    bodies.append(body)
        if len(bodies) > 1:
            raise Question(self._which_reading(bodies))
        if bodies:
            return bodies[0]
        raise asked or Question(f"What shall the rule do? {_EXAMPLE}")

    def _composed(self, tokens: list[Token]) -> dict[str, Any]:
        if len(tokens) > MOST_TOKENS:
            raise Question("That is too long. Say one rule in one sentence.")
        for token in tokens:
            if token.type in ("WORD", "STRANGE", "SIGNED", "TICKER"):
                raise Question(self._not_known(token))
        try:
            found = parts(tokens)
        except NotUnderstood as misplaced:
            raise Question(_not_placed(misplaced.token, tokens)) from None
        if not found:
            raise Question(f"What shall the rule do? {_EXAMPLE}")
        return compose(found, self._names, self._world)

    def _not_known(self, token: Token) -> str:
        if token.type == "SIGNED":
            return f"What does “{token.text}” mean? A size or a price has no sign. {_EXAMPLE}"
        if words := _UNKNOWABLE.get(token.text.lower()):
            return words
        meant = [word for word in slips().meant(token.text.lower()) if (word,) in table()]
        if meant:
            return f"I did not understand “{token.text}”. Did you mean “{meant[0]}”?"
        if candidates := self._names.candidates(token.text.lstrip("$")):
            shown = ", ".join(f"{one.symbol} ({one.name})" for one in candidates)
            return f"I did not understand “{token.text}”. Did you mean {shown}? Write the symbol."
        return f"I did not understand “{token.text[:40]}”. Please say it in other words. {_EXAMPLE}"

    def _which_reading(self, bodies: Sequence[Mapping[str, Any]]) -> str:
        rules = [sentence(rule_of(body, self._world.now), self._world.zone) for body in bodies[:3]]
        return "Which do you mean? " + " Or: ".join(rules)


def _not_placed(token: Token | None, tokens: Sequence[Token]) -> str:
    if token is not None:
        return (
            f"I did not understand “{token.text[:40]}” where it stands. Please say it in "
            f"other words. "
            f"{_EXAMPLE}"
        )
    if tokens[-1].type in ("FALL", "RISE", "MOVE"):
        return "By how much, or to which price? Such as “falls 5 %” or “falls below $150”."
    return f"The sentence seems to end too early. {_EXAMPLE}"
