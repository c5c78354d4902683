"""What is refused at once: what is other people's, code, orders to the reader itself,
and what the product does not do. Pure."""

import re

from chat.phrases.understood import Question, Refused

_OWN_ONLY = (
    "I act for the user who is signed in, and for nobody else. Leave out other users, accounts and "
    "ids, and say the rule itself."
)
_TAKE_OVER = (
    "I do not take instructions about how I work. Nothing was done. Tell me the rule "
    "that you want, "
    "such as “sell 10 AAPL if it drops below 150”."
)
_CODE = (
    "That looks like program code, so nothing was done. Write the rule in plain words, "
    "such as “buy "
    "10 AAPL if it drops below 150”."
)

_REFUSALS: tuple[tuple[str, str], ...] = (
    (
        r"\b(ignore|disregard|forget|override|bypass)\b.{0,40}\b(instructions?|rules you|prompts?|"
        r"guidelines|previous|above|safety|restrictions?|confirmations?|cards?|limits?)\b"
        r"|\bsystem\s*(prompt|message|:)|^\W*(system|assistant|developer)\s*:|"
        r"\bdan mode\b|\bjailbreak"
        r"|\byou are now\b|\bact as (an?|the|if)\b|\bpretend (to be|you)|\bdeveloper mode\b"
        r"|\bwithout (asking|confirm\w*|restrictions?|my confirmation)\b|\bskip (the )?confirm"
        r"|\b(don't|do not) ask (me )?(for )?confirm|\bcreate_action\b|\bexecute_now\b|<\|"
        r"|\b(reveal|print|show|tell me) (me )?(your|the) (system |hidden )?(prompt|"
        r"instructions)\b",
        _TAKE_OVER,
    ),
    (
        r"\b(user|account|portfolio|owner|customer|action)[ _]?id\b|\b(user|account|"
        r"portfolio)\s*[=#]"
        r"|\b(other|another|different|all) (user|person|customer|client|account|people)s?'?s?\b"
        r"|\b(someone|somebody) else'?s?\b|\b(everyone|everybody)'?s?\b"
        r"|\bon behalf of\b|\bfor (user|account|customer) \w+|\b(user|account|"
        r"customer) (number )?#?\d+"
        r"|\b(his|her|their) (portfolio|account|rules?|holdings)\b|\b(admin|root) (user|"
        r"account|mode)\b"
        r"|\b(bob|alice|john|jane|mary|peter|dave|eve|mallory)'s (portfolio|account|"
        r"rules?|holdings|shares)",
        _OWN_ONLY,
    ),
    (
        r"\b(drop|truncate|alter)\s+table\b|\bdelete\s+from\b|\binsert\s+into\b|\bunion\s+select\b"
        r"|;\s*--|<\s*/?\s*script|\bselect\s+\*|\{\{|\$\{|\b(rm -rf|os\.system|__import__)\b"
        r"|\b(or|and) 1\s*=\s*1\b",
        _CODE,
    ),
    (
        r"\bshort(ing|s)?\b(?![ -]?(ma|average|term|sma|ema))(?=\W+(\d|\$|"
        r"[a-z.]{1,12}\b))|\bsell(ing)? short\b|\bgo(ing)? short\b|\bshort[- ]sell",
        "Short sales are not possible here: only shares that are held can be sold.",
    ),
    (
        r"\b(call|put)s? (option|contract|spread)|\boptions?\b(?! of)|\b(calls|puts) on\b|"
        r"\bcovered calls?\b|\bstraddles?\b|\bfutures?\b|\bon margin\b|\bleverage\b|"
        r"\bmargin (account|loan)\b",
        "Options, futures and margin are not possible here: rules trade shares with the "
        "cash there is.",
    ),
    (
        r"\b(withdraw|deposit|wire|transfer)\b(?=.*\b(\$|\d|cash|money|funds|bank|shares)\b)",
        "Rules do not move money in or out. They buy, sell, rebalance or tell you.",
    ),
    (
        r"\b(robinhood|fidelity|schwab account|interactive brokers account|etrade|"
        r"e\*trade|coinbase account|binance|kraken|webull)\b(?=.*\b(account|order|"
        r"place)\b)|\b(on|at|through|via|in) (robinhood|etrade|webull|binance|kraken)\b",
        "I can only act in your portfolio here, not at another broker.",
    ),
)  # fmt: skip
_PATTERNS = tuple((re.compile(pattern, re.IGNORECASE), words) for pattern, words in _REFUSALS)

_TURNED = re.compile("[\u202a-\u202e\u2066-\u2069]")

_NEGATION = re.compile(
    r"\b(don't|do not|dont|never|won't|will not|shouldn't|should not|mustn't|must not|cannot|can't|"
    r"cant|isn't|is not|isnt|doesn't|does not|doesnt|not to|wouldn't|aren't|are not|"
    r"unless|except|without|nor|neither|"
    r"no longer|stop (selling|buying|telling|notifying)|avoid|refrain|instead of|rather than)\b",
    re.IGNORECASE,
)


def check(text: str) -> None:
    """Raises Refused for what is not done, whatever else the text says."""
    for pattern, words in _PATTERNS:
        if pattern.search(text):
            raise Refused(words)


def check_direction(text: str) -> None:
    """Raises Question for signs that turn the text around: "071" that is shown as 170."""
    if _TURNED.search(text):
        raise Question(
            "The text has invisible signs that turn its direction around, so that it may not say "
            "what it shows. Please type it anew."
        )


def negation(text: str) -> str | None:
    """The word that turns the sentence around, if there is one."""
    found = _NEGATION.search(text)
    return found[0] if found else None
