"""Twelve Data: quotes and daily series in batches, a credit a symbol."""

from collections.abc import Collection, Mapping
from datetime import date, datetime, timedelta
from typing import Any, ClassVar

from market.budget import Plan, next_day
from market.hours import Exchange, TradingCalendar
from market.providers import (
    Company,
    Complaint,
    FeedFailed,
    Quotes,
    SaidSplit,
    Sessions,
    Splits,
)
from market.providers.web import (
    Reply,
    Web,
    clean,
    factor,
    in_order,
    instant,
    number,
    optional,
    positive,
    retry_after,
    shares,
)
from market.quotes import BadBar, BadQuote, Bar, Sample

_KEY_REFUSED = timedelta(minutes=1)
_CALENDAR_COST = 40  # credits for one request of the calendar of splits
_US_EXCHANGES = frozenset({"XNAS", "XNGS", "XNCM", "XNMS", "XNYS", "XASE", "ARCX", "BATS", "IEXG"})


class TwelveData:
    """The provider behind MARKET_PROVIDER=twelvedata.

    A quote's instant is that of its last minute (`last_quote_at`), where it says: `timestamp` is
    when the day's candle began, so a quote that has only that one is old.
    """

    name: ClassVar[str] = "twelvedata"
    resolution: ClassVar[timedelta] = timedelta(minutes=1)
    batch: ClassVar[int] = 100

    def __init__(
        self,
        *,
        key: str,
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
            keys={"Authorization": f"apikey {key}"},
            secrets=(key,),
            connect_seconds=connect_seconds,
            read_seconds=read_seconds,
        )

    def cost(self, symbols: int) -> int:
        return symbols

    def quotes(self, symbols: Collection[str], now: datetime) -> Quotes:
        reply = self._web.get("/quote", {"symbol": ",".join(symbols)})
        found = Quotes(credits_left=_credits_left(reply.headers))
        for symbol, member in self._members(reply, symbols, now, found.complaints).items():
            try:
                found.samples.append(_sample(symbol, member))
            except _Refused as refused:
                words = clean(refused.words)
                found.complaints.append(Complaint(symbol, refused.kind, words))
            else:
                found.companies[symbol] = Company(
                    clean(member.get("name") or ""),
                    clean(member.get("currency") or ""),
                )
        return found

    def sessions(self, symbols: Collection[str], now: datetime, count: int) -> Sessions:
        reply = self._web.get(
            "/time_series",
            {
                "symbol": ",".join(symbols),
                "interval": "1day",
                "outputsize": str(count),
                "adjust": "splits",
            },
        )
        found = Sessions(credits_left=_credits_left(reply.headers))
        for symbol, member in self._members(reply, symbols, now, found.complaints).items():
            try:
                found.bars[symbol] = self._series(symbol, member)
            except _Refused as refused:
                words = clean(refused.words)
                found.complaints.append(Complaint(symbol, refused.kind, words))
        return found

    def splits_cost(self, symbols: int) -> int:
        return _CALENDAR_COST if symbols else 0

    def splits(self, symbols: Collection[str], now: datetime, first: date, last: date) -> Splits:
        """From the calendar of all splits: one request, however many symbols, of a paid plan."""
        reply = self._web.get(
            "/splits_calendar", {"start_date": first.isoformat(), "end_date": last.isoformat()}
        )
        if reply.status != 200 or not isinstance(reply.body, list):
            raise self._failure(reply, now)
        wanted = set(symbols)
        found = Splits(credits_left=_credits_left(reply.headers))
        for member in reply.body:
            symbol = str(member.get("symbol")) if isinstance(member, dict) else ""
            if symbol not in wanted:
                continue
            # The same symbol means another company elsewhere.
            if str(member.get("mic_code")) not in _US_EXCHANGES:
                continue
            try:
                by = factor(member.get("from_factor"), member.get("to_factor"))
                on = date.fromisoformat(str(member.get("date")))
            except ValueError:
                continue
            found.splits.append(SaidSplit(symbol, by, on, self.name))
        return found

    def _members(
        self, reply: Reply, symbols: Collection[str], now: datetime, complaints: list[Complaint]
    ) -> dict[str, Mapping[str, Any]]:
        """Each symbol's part of the answer; what is wrong with others goes to `complaints`."""
        body = reply.body
        failed = not isinstance(body, dict) or is_error(body) or reply.status != 200
        if failed and not (len(symbols) == 1 and code_of(body) in {400, 404}):
            raise self._failure(reply, now)
        if len(symbols) == 1 and not isinstance(body.get(*symbols), dict):
            body = dict.fromkeys(symbols, body)  # an answer about one symbol is not keyed by it
        members: dict[str, Mapping[str, Any]] = {}
        for symbol in symbols:
            member = body.get(symbol)
            if not isinstance(member, dict):
                complaints.append(Complaint(symbol, "no answer", "the answer leaves it out"))
            elif is_error(member):
                complaints.append(self._complaint(symbol, member))
            else:
                members[symbol] = member
        return members

    def _complaint(self, symbol: str, error: Mapping[str, Any]) -> Complaint:
        code = code_of(error)
        words = clean(error.get("message", ""))
        kinds = {
            400: "unknown symbol",
            404: "unknown symbol",
            403: "not in the plan",
            429: "no credits",
        }
        if code == 404 and " plan" in words:
            code = 403
        return Complaint(
            symbol,
            kinds.get(code, "error"),
            f"{code}: {words}",
            lasting=code in {400, 403, 404},
            exhausted=code == 429,
        )

    def _failure(self, reply: Reply, now: datetime) -> FeedFailed:
        if not isinstance(reply.body, dict):
            return FeedFailed(
                "no JSON object", f"HTTP {reply.status} with another kind of JSON", billed=True
            )
        code = code_of(reply.body) or reply.status
        message = clean(reply.body.get("message", ""))
        words = f"{code}: {message}" if message else f"{code}"
        if code == 429:
            of_day = "for the day" in message.lower()
            until = next_day(now) if of_day else retry_after(reply.headers, now)
            return FeedFailed("no credits", words, until=until)
        if code in {401, 403}:
            kind = "key refused" if code == 401 else "not in the plan"
            return FeedFailed(kind, words, until=now + _KEY_REFUSED)
        return FeedFailed("server error" if code >= 500 else "request refused", words)

    def _series(self, symbol: str, member: Mapping[str, Any]) -> tuple[Bar, ...]:
        meta = member.get("meta")
        echoed = meta.get("symbol") if isinstance(meta, dict) else symbol
        if echoed != symbol:
            raise _Refused("wrong symbol", f"asked for {symbol}, it answers for {echoed}")
        values = member.get("values")
        if not isinstance(values, list):
            raise _Refused("no sessions", "the answer has no values")
        return in_order(self._bar(symbol, value) for value in values)

    def _bar(self, symbol: str, value: object) -> Bar:
        if not isinstance(value, dict):
            raise _Refused("bad session", "a session is no JSON object")
        try:
            day = date.fromisoformat(str(value.get("datetime"))[:10])
            closed = self.calendar.close_of(day)
            if closed is None:
                raise ValueError(f"{day} has no session")
            prices = {name: number(value.get(name)) for name in ("open", "high", "low", "close")}
            volume = optional(shares, value.get("volume")) or 0
            return Bar(symbol=symbol, at=closed, volume=volume, **prices)
        except (ValueError, BadBar) as wrong:
            raise _Refused("bad session", str(wrong)) from None


class _Refused(Exception):
    def __init__(self, kind: str, words: str) -> None:
        super().__init__(words)
        self.kind = kind
        self.words = words


def _sample(symbol: str, member: Mapping[str, Any]) -> Sample:
    echoed = member.get("symbol", symbol)
    if echoed != symbol:
        raise _Refused("wrong symbol", f"asked for {symbol}, it answers for {echoed}")
    as_of = optional(instant, member.get("last_quote_at")) or optional(
        instant, member.get("timestamp")
    )
    if as_of is None:
        raise _Refused("no instant", "it does not say when that was the price")
    try:
        return Sample(
            symbol=symbol,
            price=number(member.get("close")),
            as_of=as_of,
            volume=optional(shares, member.get("volume")),
            previous_close=optional(positive, member.get("previous_close")),
        )
    except (ValueError, BadQuote) as wrong:
        raise _Refused("bad price", str(wrong)) from None


def is_error(body: Mapping[str, Any]) -> bool:
    """Whether it is an error, whatever the status with which it came."""
    return body.get("status") == "error" or ("code" in body and "message" in body)


def code_of(body: object) -> int:
    """The code that an error gives, 0 where it gives none."""
    code = body.get("code") if isinstance(body, dict) else None
    text = str(code)
    return int(text) if text.isdecimal() and len(text) <= 4 else 0


def _credits_left(headers: Mapping[str, str]) -> int | None:
    left = headers.get("api-credits-left", "")
    return int(left) if left.isdecimal() and len(left) < 9 else None
