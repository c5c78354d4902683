"""Questions that people ask: which tool answers them. Pure."""

import re
from collections.abc import Sequence
from typing import Any

from chat.phrases.tokens import Token
from chat.phrases.understood import Intent, Understood

_ASKS = re.compile(
    r"^\W*(?:(?:hey|hi|hello|ok|okay|so|and|but|please|quick question)[\s,:]+)*"
    r"(?:what|what's|whats|how|how's|hows|why|"
    r"when (?:does|do|did|will|was|can|should|is the)|where|who|which|should (?:i|we|one)|shall i|"
    r"is|are|was|were|does|do i|do you|did|"
    r"am i|"
    r"has|have|could i|can i|will it|will [a-z]+ (?:go|rise|fall|drop)|would it|"
    r"would you (?:buy|sell|recommend)|any (?:news|idea|thoughts|advice)|tell me (?:about|"
    r"what|how|the price|more)\b(?!.*\b(?:when|if|once|every|at)\b)|summari[sz]e|"
    r"explain|translate|compare|analy[sz]e|recommend|suggest|advise|give me (?:advice|"
    r"your|a summary|the price|my)|show me (?:my|the) (?:portfolio|holdings|positions|"
    r"cash|balance|price)|show (?:my )?(?:portfolio|holdings|positions|cash|balance)|"
    r"(?:price of|quote(?: for)?)\b(?!.*\b(?:buy|sell|alert|notify|tell|if|when)\b)|"
    r"(?:my )?(?:portfolio|holdings|positions|balance)\s*\??$|help\b|(?:hello|hi|hey|"
    r"thanks|thank you)\W*$|thanks|thank you)(?!\w)",
    re.IGNORECASE,
)
_INSIDE = re.compile(
    r"\b(what is|what's|what are|what would|what will|how much (?:is|was|would|will|do|"
    r"did)|how many)\b.*\?\s*$",
    re.IGNORECASE,
)
_ADVICE = re.compile(
    r"\b(should i|shall i|is it (?:a )?(?:good|bad|smart|wise|time|worth)|"
    r"is [\w.]+ (?:a )?(?:good|bad|buy|sell|worth)|recommend|suggest|advice|advise|"
    r"would you (?:buy|sell)|worth (?:buying|selling)|"
    r"best (?:stock|stocks|share|etf)|what (?:stock|stocks|should)|which (?:stock|"
    r"stocks) (?:should|to)|will it|will [\w.]+ (?:go|rise|fall|drop|crash)|your opinion|"
    r"do you think|going to (?:rise|fall|go|crash))\b",
    re.IGNORECASE,
)
_PORTFOLIO = re.compile(
    r"\b(portfolio|holdings?|positions?|own|cash|balance|buying power|net worth|"
    r"my (?:shares|stocks|gains|losses|profit|p&l|pnl|cost)|"
    r"do i (?:have|hold)|am i (?:up|down)|how much (?:money|\w+ do i)|how many (?:shares|"
    r"\w+ do i)|(?:i|i've) (?:paid|made|lost|earned))\b",
    re.IGNORECASE,
)
_MARKET = re.compile(
    r"\b(market|markets|exchange|session|movers?|nyse|nasdaq|trading day|holiday|"
    r"opening bell|closing bell|gainers|losers)\b",
    re.IGNORECASE,
)
_SEARCH = re.compile(r"\b(ticker|symbol)\b", re.IGNORECASE)
_QUOTE = re.compile(
    r"\b(price|quote|trading|trade|at|doing|worth|cost|costs|high|low|up|down|close|"
    r"closed|open|value)\b",
    re.IGNORECASE,
)
_HELP = (
    "I read rules in plain words, such as “sell 10 AAPL if it drops below 150 by "
    "Friday”, “buy $50 of "
    "SPY every Friday at 10:00” or “tell me when TSLA is up 5 % on the day”. I also list, "
    "pause, resume, "
    "change and cancel your rules, and tell prices and what you hold."
)


def is_question(text: str) -> bool:
    """Whether it asks rather than tells. "Could you sell ..." tells."""
    return bool(_ASKS.match(text) or _INSIDE.search(text))


def answered(text: str, tokens: Sequence[Token]) -> Understood:
    """The tool that answers, with what it is asked, as `args`; and a line that says so."""
    symbols = list(
        dict.fromkeys(
            token.value.symbols[0]
            for token in tokens
            if token.type == "SYMBOL" and len(token.value.symbols) == 1
        )
    )
    written = [symbol for symbol in symbols if symbol in text]
    if written or _MARKET.search(text) or not _QUOTE.search(text):
        symbols = written  # beside AAPL, "net" is hardly a symbol, nor is "open" beside "market"
    args = _tool(text, symbols)
    return Understood(Intent.ANSWER, _words(text, args, symbols), args)


def _tool(text: str, symbols: Sequence[str]) -> dict[str, Any]:
    if _SEARCH.search(text):
        return {"tool": "search_symbol", "text": text}
    if _PORTFOLIO.search(text):
        args: dict[str, Any] = {"tool": "get_portfolio"}
        return {**args, "symbols": list(symbols)} if symbols else args
    if symbols:
        return {"tool": "get_quote", "symbols": list(symbols)}
    if _MARKET.search(text):
        return {"tool": "get_market_context"}
    return {}


def _words(text: str, args: dict[str, Any], symbols: Sequence[str]) -> str:
    if _ADVICE.search(text):
        return (
            "I give no advice on what to buy or sell. I can tell you prices and what you hold, and "
            "watch for a price that you choose."
        )
    if args.get("tool") == "get_quote":
        return f"The last price of {', '.join(symbols)}."
    if args.get("tool") == "get_portfolio":
        return "What you hold, and your cash."
    if args.get("tool") == "get_market_context":
        return "Whether the market is open, and what moves."
    if args.get("tool") == "search_symbol":
        return "The symbols that fit."
    return _HELP
