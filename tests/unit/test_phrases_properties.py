"""What holds for every rule and every text: a rule's sentence is read back as the rule, words that
are lost or added never make another trade of it, and no text makes the reader fail."""

import random
from decimal import Decimal
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from actions.registry import parse_effect, parse_trigger
from actions.rules import Effect, Rule, Trigger
from actions.sentence import sentence
from chat.phrases import Intent
from chat.phrases.compose import rule_of
from chat.phrases.scanner import slips
from chat.phrases.vocabulary import table
from tests.unit.test_phrases import HOLDINGS, NEW_YORK, NOW, understood

often = settings(max_examples=60, deadline=None)  # the first phrase also builds the grammar

SYMBOLS = st.sampled_from(["AAPL", "MSFT", "NVDA", "TSLA", "SPY"])
OTHERS = st.none() | st.sampled_from(["QQQ", "KO"])
PRICES = st.decimals("0.01", "9999", places=2)
PERCENTS = st.decimals("0.1", "99", places=1)


# --- A rule, said in its own sentence, is that rule ---


def triggers() -> st.SearchStrategy[Trigger]:
    def made(type: str, /, **params: st.SearchStrategy[Any]) -> st.SearchStrategy[Trigger]:
        return st.fixed_dictionaries(params).map(
            lambda chosen: parse_trigger(type, {k: v for k, v in chosen.items() if v is not None})
        )

    windows = st.sampled_from(["1d", "2d", "5d", "20d", "30m", "90m", "2h", "24h"])
    ways = st.sampled_from(["up", "down"])
    return st.one_of(
        made("price_above", threshold=PRICES, symbol=OTHERS),
        made("price_below", threshold=PRICES, symbol=OTHERS),
        made(
            "change_pct",
            change=PERCENTS,
            direction=st.sampled_from(["up", "down", "either"]),
            window=windows,
            symbol=OTHERS,
        ),
        made("trailing_stop", percent=PERCENTS, direction=ways, symbol=OTHERS),
        made("trailing_stop", amount=PRICES, direction=ways, symbol=OTHERS),
        made("from_high", percent=PERCENTS, lookback=st.integers(2, 300), symbol=OTHERS),
        made("from_cost", percent=PERCENTS, direction=ways, symbol=OTHERS),
        made(
            "ma_cross",
            short=st.integers(2, 50),
            long=st.integers(51, 300),
            direction=ways,
            kind=st.sampled_from(["sma", "ema"]),
            symbol=OTHERS,
        ),
        made("volume_above", threshold=st.integers(1, 10**9), symbol=OTHERS),
        made(
            "volume_above",
            multiple=st.decimals("0.5", "20", places=1),
            lookback=st.integers(2, 100),
            symbol=OTHERS,
        ),
        made("time_of_day", time=st.sampled_from(["09:35", "12:00", "15:55"])),
    )


def effects() -> st.SearchStrategy[Effect]:
    quantities = st.decimals("0.01", "5000", places=2).filter(bool)
    amounts = st.decimals("1", "50000", places=2)
    return st.one_of(
        st.tuples(st.sampled_from(["BUY", "SELL"]), quantities).map(
            lambda chosen: parse_effect(chosen[0], sizes={"quantity": chosen[1]}, params={})
        ),
        st.tuples(st.sampled_from(["BUY", "SELL"]), amounts).map(
            lambda chosen: parse_effect(chosen[0], sizes={"amount_usd": chosen[1]}, params={})
        ),
        st.sampled_from(["1", "0.5", "0.25"]).map(
            lambda part: parse_effect("SELL", sizes={}, params={"fraction": part})
        ),
        st.just(parse_effect("NOTIFY", sizes={}, params={})),
    )


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    effect = draw(effects())
    trigger = draw(triggers())
    if not effect.trades and trigger.symbol:  # about which of the two would it tell?
        trigger = trigger.model_copy(update={"symbol": None})
    return Rule(
        id=None,
        symbol=draw(SYMBOLS),
        trigger=trigger,
        effect=effect,
        valid_from=NOW,
        max_executions=draw(st.sampled_from([1, 2, 7])),
    )


@often
@given(rule=rules())
def test_a_rules_own_sentence_is_read_as_that_rule(rule: Rule) -> None:
    text = sentence(rule, NEW_YORK)
    found = understood(text, prices={})
    assert found.action is not None, (text, found.text)
    again = rule_of(found.action, NOW)
    assert (again.symbol, again.effect, again.trigger, again.max_executions) == (
        rule.symbol,
        rule.effect,
        rule.trigger,
        rule.max_executions,
    ), text


# --- Paraphrases ---

SIDES = {"BUY": ["buy", "purchase", "pick up", "Please buy"], "SELL": ["sell", "dump", "offload"]}
SIZES = ["{n} {s}", "{n} shares of {s}", "{n} {s} shares", "${m} of {s}", "${m} worth of {s}"]
DOWN = [
    "drops below",
    "falls under",
    "is at or below",
    "goes below",
    "<=",
    "trades under",
    "dips below",
]
UP = ["rises above", "climbs over", "is at or above", "goes above", ">=", "trades over", "tops"]
ORDERS = [
    "{trade} if {it} {move} {p}",
    "if {s} {move} {p}, {trade}",
    "{trade} as soon as {it} {move} ${p}",
    "when {s} {move} {p} then {trade}",
    "by Friday, {trade} once {it} {move} {p} dollars",
    "{trade} when {it} {move} {p}, until end of March",
]


@st.composite
def paraphrases(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A sentence, and what must be read in it."""
    side = draw(st.sampled_from(sorted(SIDES)))
    symbol = draw(SYMBOLS)
    number, amount = draw(st.integers(1, 999)), draw(st.integers(1, 9999))
    size = draw(st.sampled_from(SIZES))
    kind, moves = draw(st.sampled_from([("price_below", DOWN), ("price_above", UP)]))
    trade = f"{draw(st.sampled_from(SIDES[side]))} {size.format(n=number, m=amount, s=symbol)}"
    price = draw(st.integers(1, 5000))
    text = draw(st.sampled_from(ORDERS)).format(
        trade=trade,
        it=draw(st.sampled_from(["it", "the price", "its price", symbol])),
        s=symbol,
        move=draw(st.sampled_from(moves)),
        p=price,
    )
    paid = "$" in size
    return text, {
        "action_type": side,
        "symbol": symbol,
        "quantity": None if paid else number,
        "amount_usd": amount if paid else None,
        "trigger_type": kind,
        "trigger_params": {"threshold": price},
    }


@often
@given(paraphrase=paraphrases())
def test_the_same_rule_in_other_words_and_orders_is_the_same_rule(
    paraphrase: tuple[str, dict[str, Any]],
) -> None:
    text, expected = paraphrase
    found = understood(text)
    assert found.action is not None, (text, found.text)
    assert expected.items() <= found.action.items(), text


# --- Words lost and added ---


def same_trade(found: Any, expected: dict[str, Any]) -> bool:
    parts = ("action_type", "symbol", "quantity", "amount_usd")
    return all(found[part] == expected[part] for part in parts) and not found["action_params"]


@often
@given(paraphrase=paraphrases(), data=st.data())
def test_words_that_are_lost_never_make_another_trade(
    paraphrase: tuple[str, dict[str, Any]], data: st.DataObject
) -> None:
    text, expected = paraphrase
    words = text.split()
    lost = data.draw(st.sets(st.integers(0, len(words) - 1), min_size=1, max_size=2))
    rest = " ".join(word for number, word in enumerate(words) if number not in lost)
    found = understood(rest)
    assert found.action is None or same_trade(found.action, expected), (rest, found.text)


# Words that say another side, size or symbol in so many words; "buy a million AAPL" is a rule.
TELLING = {"SIDE", "PART", "NOTIFY", "PROTECT", "REBALANCE", "TRAIL", "STOP", "TARGET"}
ADDED = [
    *sorted(
        " ".join(words)
        for words, meanings in table().items()
        if not TELLING & {meaning.type for meaning in meanings}
    ),
    *("MSFT", "Tesla", "IT", "17", "5%", "$3", "foo", "tomorrow", "noon"),
    *(",", ";", "-", "'", '"', "(", "?"),
]


@often
@given(paraphrase=paraphrases(), data=st.data())
def test_words_that_are_added_never_make_another_trade(
    paraphrase: tuple[str, dict[str, Any]], data: st.DataObject
) -> None:
    text, expected = paraphrase
    words = text.split()
    words.insert(data.draw(st.integers(0, len(words))), data.draw(st.sampled_from(ADDED)))
    more = " ".join(words)
    found = understood(more)
    assert found.action is None or same_trade(found.action, expected), (more, found.text)


@often
@given(paraphrase=paraphrases(), seed=st.integers(0, 10**6))
def test_a_slip_of_the_pen_never_makes_another_trade(
    paraphrase: tuple[str, dict[str, Any]], seed: int
) -> None:
    text, expected = paraphrase
    chance = random.Random(seed)
    words = text.split()
    at = chance.choice(
        [n for n, word in enumerate(words) if word.islower() and word.isalpha() and len(word) > 3]
    )
    place = chance.randrange(len(words[at]) - 1)
    word = words[at]
    words[at] = word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    slipped = " ".join(words)
    found = understood(slipped)
    symbols = {found.action["symbol"]} if found.action else set()
    assert symbols <= {expected["symbol"]}, (slipped, found.text)


# --- Any text at all ---


@often
@given(text=st.text(max_size=300))
@example(text="")
@example(text="\0")
@example(text="$")
@example(text="sell " * 400)
@example(text="a an the")
@example(text="buy 999999999999999999999999999999999 AAPL below 1")
@example(text="buy 1 AAPL below 150 for the next 99999999 years")
@example(text="buy 1 AAPL below 150 until 9999-12-31")
@example(text="at 25:99 buy 1 AAPL")
@example(text="0/0 1/0 1/2/3/4 99/99/9999 2026-13-45")
@example(text="note: note: note:")
@example(text="sorry sorry sorry")
def test_no_text_makes_it_fail(text: str) -> None:
    found = understood(text)
    assert found.text
    assert (found.action is not None) == (found.intent is Intent.CREATE)
    found.as_json()


WORDS = sorted({word for words in table() for word in words})


@often
@given(
    words=st.lists(
        st.sampled_from([*WORDS, *HOLDINGS, "10", "$5", "5%", "150", "12:30", "60/40", "50-day"]),
        max_size=12,
    )
)
def test_no_heap_of_known_words_makes_it_fail_or_trade_without_a_side(words: list[str]) -> None:
    found = understood(" ".join(words))
    assert found.text
    if found.action and found.action["action_type"] in ("BUY", "SELL"):
        assert found.action["symbol"]
        sizes = (found.action["quantity"], found.action["amount_usd"])
        assert any(sizes) or found.action["action_params"]


def test_a_known_word_is_no_slip_of_another() -> None:
    assert not [word for word in WORDS if word.isalpha() and slips().meant(word)]
    assert "price" in slips().meant("pirce")
    assert "drops" in slips().meant("dorps")
    assert not slips().meant("xylophone")


def test_a_number_is_a_decimal_to_the_last_digit() -> None:
    found = understood("buy 0.1 AAPL below 150.10")
    assert found.action
    assert found.action["quantity"] == Decimal("0.1")
    assert found.action["trigger_params"]["threshold"] == Decimal("150.10")
