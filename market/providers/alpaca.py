"""Alpaca: snapshots and daily bars of many symbols in one request, from its free plan."""

from collections.abc import Collection, Iterator, Mapping, Set
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, timedelta
from typing import Any, ClassVar

from market.budget import Plan
from market.hours import NEW_YORK, Exchange, TradingCalendar
from market.providers import Complaint, FeedFailed, Quotes, SaidSplit, Sessions, Splits
from market.providers.web import (
    Reply,
    Web,
    clean,
    factor,
    in_order,
    number,
    optional,
    positive,
    retry_after,
    shares,
)
from market.quotes import BadBar, BadQuote, Bar, Sample

_KEY_REFUSED = timedelta(minutes=1)
_BARS_A_PAGE = 10_000
_PAGES = 50  # at most, so that a token that never ends does not either


class Alpaca:
    """The provider behind MARKET_PROVIDER=alpaca.

    The free plan quotes the trades of one exchange, IEX. Its prices are real trades, its volume is
    that exchange's share alone, so a quote has none: rules that wait for a volume know nothing.
    """

    name: ClassVar[str] = "alpaca"
    resolution: ClassVar[timedelta] = timedelta(0)
    batch: ClassVar[int] = 200

    def __init__(
        self,
        *,
        key_id: str,
        secret: str,
        url: str,
        plan: Plan,
        connect_seconds: float,
        read_seconds: float,
    ) -> None:
        self.calendar: TradingCalendar = Exchange()
        self.plan = plan
        self._web = Web(
            name=self.name,
            url=url,
            keys={"APCA-API-KEY-ID": key_id, "APCA-API-SECRET-KEY": secret},
            secrets=(secret, key_id),
            connect_seconds=connect_seconds,
            read_seconds=read_seconds,
        )

    def cost(self, symbols: int) -> int:
        return 1 if symbols else 0

    def quotes(self, symbols: Collection[str], now: datetime) -> Quotes:
        reply = self._web.get("/v2/stocks/snapshots", {"symbols": ",".join(symbols), "feed": "iex"})
        found = Quotes(credits_left=_requests_left(reply))
        if invalid := _invalid_symbol(reply, symbols):
            found.complaints.append(invalid)
            return found
        body = self._body(reply, now)
        for symbol in symbols:
            member = body.get(symbol)
            if not isinstance(member, dict):
                found.complaints.append(
                    Complaint(symbol, "no answer", "the answer leaves it out", lasting=True)
                )
                continue
            try:
                found.samples.append(_sample(symbol, member))
            except (ValueError, BadQuote) as wrong:
                found.complaints.append(Complaint(symbol, "bad price", clean(wrong)))
        return found

    def sessions(self, symbols: Collection[str], now: datetime, count: int) -> Sessions:
        found = Sessions()
        raw: dict[str, list[Any]] = {symbol: [] for symbol in symbols}
        token = ""
        for _ in range(_PAGES):
            reply = self._web.get("/v2/stocks/bars", self._bars_of(symbols, now, count, token))
            found.credits_left = _requests_left(reply)
            if invalid := _invalid_symbol(reply, symbols):
                found.complaints.append(invalid)
                return found
            body = self._body(reply, now)
            bars = body.get("bars")
            for symbol, values in (bars if isinstance(bars, dict) else {}).items():
                if symbol in raw and isinstance(values, list):
                    raw[symbol].extend(values)
            token = str(body.get("next_page_token") or "")
            if not token:
                break
        for symbol, values in raw.items():
            try:
                found.bars[symbol] = in_order(self._bar(symbol, each) for each in values)[-count:]
            except (ValueError, BadBar) as wrong:
                found.complaints.append(Complaint(symbol, "bad session", clean(wrong)))
        return found

    def splits_cost(self, symbols: int) -> int:
        return -(-symbols // self.batch)

    def splits(self, symbols: Collection[str], now: datetime, first: date, last: date) -> Splits:
        found = Splits()
        wanted = sorted(symbols)
        for start in range(0, len(wanted), self.batch):
            some = wanted[start : start + self.batch]
            token = ""
            for _ in range(_PAGES):
                params = {
                    "symbols": ",".join(some),
                    "types": "forward_split,reverse_split",
                    "start": first.isoformat(),
                    "end": last.isoformat(),
                    "limit": "1000",
                }
                more = {"page_token": token} if token else {}
                reply = self._web.get("/v1/corporate-actions", params | more)
                found.credits_left = _requests_left(reply)
                body = self._body(reply, now)
                found.splits += _splits(body.get("corporate_actions"), set(some))
                token = str(body.get("next_page_token") or "")
                if not token:
                    break
        return found

    def _bars_of(
        self, symbols: Collection[str], now: datetime, count: int, token: str
    ) -> dict[str, str]:
        # Whatever is older than 15 minutes is of all exchanges, in the free plan, too.
        first = now.astimezone(NEW_YORK).date() - timedelta(days=count * 7 // 5 + 20)
        params = {
            "symbols": ",".join(symbols),
            "timeframe": "1Day",
            "adjustment": "split",
            "feed": "sip",
            "start": first.isoformat(),
            "end": (now - timedelta(minutes=16)).astimezone(UTC).isoformat(timespec="seconds"),
            "limit": str(_BARS_A_PAGE),
        }
        return params | ({"page_token": token} if token else {})

    def _bar(self, symbol: str, value: object) -> Bar:
        if not isinstance(value, dict):
            raise ValueError("a session is no JSON object")
        day = _instant(value.get("t")).astimezone(NEW_YORK).date()
        closed = self.calendar.close_of(day)
        if closed is None:
            raise ValueError(f"{day} has no session")
        return Bar(
            symbol=symbol,
            at=closed,
            open=number(value.get("o")),
            high=number(value.get("h")),
            low=number(value.get("l")),
            close=number(value.get("c")),
            volume=shares(value.get("v")),
        )

    def _body(self, reply: Reply, now: datetime) -> Mapping[str, Any]:
        body = reply.body
        if reply.status == 200 and isinstance(body, dict):
            return body
        message = clean(body.get("message", "")) if isinstance(body, dict) else ""
        words = f"HTTP {reply.status}: {message}" if message else f"HTTP {reply.status}"
        if reply.status == 429:
            raise FeedFailed("no credits", words, until=retry_after(reply.headers, now))
        if reply.status in {401, 403}:
            raise FeedFailed("key refused", words, until=now + _KEY_REFUSED)
        if reply.status >= 500:
            raise FeedFailed("server error", words)
        kind = "no JSON object" if reply.status == 200 else "request refused"
        raise FeedFailed(kind, words, billed=reply.status == 200)


def _sample(symbol: str, member: Mapping[str, Any]) -> Sample:
    trade = member.get("latestTrade")
    if not isinstance(trade, dict):
        raise ValueError("it has no trade")
    before = member.get("prevDailyBar")
    return Sample(
        symbol=symbol,
        price=number(trade.get("p")),
        as_of=_instant(trade.get("t")),
        previous_close=optional(positive, before.get("c")) if isinstance(before, dict) else None,
    )


def _splits(kinds: object, wanted: Set[str]) -> Iterator[SaidSplit]:
    """Those of both kinds that are of a symbol that was asked for, and can be read."""
    for kind in ("forward_splits", "reverse_splits"):
        members = kinds.get(kind) if isinstance(kinds, dict) else None
        for member in members if isinstance(members, list) else ():
            symbol = str(member.get("symbol")) if isinstance(member, dict) else ""
            if symbol not in wanted:
                continue
            try:
                by = factor(member.get("new_rate"), member.get("old_rate"))
                on = date.fromisoformat(str(member.get("ex_date")))
            except ValueError:
                continue
            yield SaidSplit(symbol, by, on, Alpaca.name)


def _instant(value: object) -> datetime:
    at = datetime.fromisoformat(str(value))
    if at.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone")
    if not MINYEAR < at.year < MAXYEAR:  # the first is what it says where there was none
        raise ValueError(f"{value!r} is no instant")
    return at


def _invalid_symbol(reply: Reply, symbols: Collection[str]) -> Complaint | None:
    """One symbol that it cannot read fails a whole request: it is named, and left out next time."""
    if reply.status not in {400, 422} or not isinstance(reply.body, dict):
        return None
    words = clean(reply.body.get("message", ""))
    named = [symbol for symbol in symbols if symbol in words.replace(",", " ").split()]
    if "invalid symbol" not in words.lower() or not named:
        return None
    return Complaint(named[0], "unknown symbol", words, lasting=True)


def _requests_left(reply: Reply) -> int | None:
    left = reply.headers.get("X-RateLimit-Remaining", "")
    return int(left) if left.isdecimal() and len(left) < 9 else None
