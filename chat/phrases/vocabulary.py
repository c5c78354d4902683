"""The words that the reader knows, and the terminal of the grammar that each stands for. Pure.

A line holds ways to say one thing, separated by commas. The longest that fits is taken. Words that
change nothing (`FILLER`) are left out; every other word must find its place in the grammar.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

FILLER = "FILLER"


class Meaning(NamedTuple):
    type: str
    value: Any = None


# terminal, value, the ways to say it
_SAYINGS: tuple[tuple[str, Any, str], ...] = (
    # --- what to do ---
    ("SIDE", "BUY", "buy, buys, buying, purchase, pick up, acquire, grab, get me, dca, invest, put, add, accumulate, scoop up, snap up, load up on, go long, buy up"),
    ("SIDE", "SELL", "sell, sells, selling, sell off, dump, offload, unload, get rid of, ditch, part with, trim"),
    ("SIDE", "CLOSE", "liquidate, exit, get out of, cash out, cash out of, close out, close, close my position in, sell out of, bail out of"),
    ("NOTIFY", None, "notify, notify me, alert, alert me, send alert, send me alert, send me an alert, send me a message, send me a notification, send me an email, send me a note, tell me, let me know, ping me, ping, warn me, remind me, message me, email me, mail me, inform me, give me a heads up, give me a shout, shout, buzz me, set an alert, set a price alert, create an alert, add an alert, make an alert, alarm me, flag, heads up, i want to know, i'd like to know, set alert, create alert, price alert, set up an alert, i want an alert, drop me a line, nudge me"),
    ("WATCH", None, "watch, keep an eye on, keep eye on, track, monitor, follow, look out for, watch out for"),
    ("PROTECT", None, "protect, hedge my downside on, guard"),
    ("REBALANCE", None, "rebalance, rebalance to, rebalance my portfolio, rebalance my portfolio to, rebalance portfolio to, keep, maintain, hold my portfolio at, keep my portfolio at, keep me at, bring back to, rebalance into, rebalance back to, rebalance it"),
    # --- how much ---
    ("SHARES", None, "shares, share, shs, stock, stocks, units, unit, shares of stock"),
    ("WORTH", None, "worth"),
    ("PART", "1", "all, all of, entire, whole, everything, all in, full, the rest of, rest of, the whole, every share of, everything i have in, the lot, remaining, the remainder of"),
    ("PART", "0.5", "half, half of, one half of, 1/2 of"),
    ("PART", "0.25", "a quarter of, quarter of, one quarter of, a fourth of, quarter"),
    ("PART", "0.75", "three quarters of, three fourths of"),
    ("PART", "1/3", "a third of, third of, one third of"),
    ("PART", "2/3", "two thirds of"),
    ("MY", None, "my, our, mine"),
    (FILLER, None, "position, holding, holdings, stake, positions, position in, holding in, holdings in, stake in, shares in"),
    ("OF", None, "of"),
    ("IN", None, "into, in"),
    ("ON", None, "on"),
    ("FOR", None, "for"),
    ("ABOUT", None, "about, regarding, concerning"),
    ("WITH", None, "with, using"),
    ("IT", None, "it, them, they, its, this stock, the stock, that stock, that, these"),
    # --- when ---
    ("WHEN", None, "when, if, as soon as, should, in case, in the event that, the moment, provided, provided that, assuming, the minute, upon, on condition that, when and only when, only if, only when, if ever, the second, the instant"),
    ("WHENEVER", None, "whenever, every time, each time, any time, anytime, everytime, always when, every time that, each time that"),
    ("PRICE", None, "price, prices, the share price, share price, stock price, quote, last price, closing price, market price, value"),
    (FILLER, None, "is, are, be, being, was, has been, trades, trading, trade, goes, go, going, gets, get, getting, stands, sits, does, comes, becomes, has, ends up, is trading, is priced, starts trading, it's, that's, went, has gone, has moved, reads, prints, stays"),
    ("FALL", "verb", "drops, drop, dropped, dropping, falls, fall, fell, falling, dips, dip, slides, slide, sinks, sink, tanks, tank, crashes, crash, plunges, plunge, loses, lose, lost, declines, decline, down, goes down, go down, comes down, come down, is down, tumbles, tumble, slips, slip, retreats, pulls back, pull back, pullback, cools off, decreases, decrease, sheds, drops down, falls down, dives, moves down, going down, corrects, weakens, drawdown, dives down, nosedives, has fallen, has dropped, drops back, falls back, sinks down, gets down, dips down"),
    ("RISE", "verb", "rises, rise, rose, rising, gains, gain, gained, jumps, jump, climbs, climb, spikes, spike, rallies, rally, up, goes up, go up, comes up, is up, soars, soar, surges, surge, advances, advance, increases, increase, pops, pop, moons, moves up, going up, recovers, recover, recovery, bounces, rebounds, rebound, climbs back, has risen, has gained, appreciates, shoots up, runs up, rallied, adds, gets up, rips"),
    ("MOVE", None, "moves, move, changes, change, swings, swing, fluctuates, shifts"),
    ("REACH", None, "hits, hit, reaches, reach, touches, touch, gets to, get to, breaks, break, makes it to, arrives at, equals, equal to, =, tags, goes to, comes to, gets back to"),
    ("CROSS", None, "crosses, cross, crossing, crossed, breaks through, cuts through, passes, pass, breaches"),
    ("CROSS_UP", None, "breaks above, breaks out above, break above, crosses above, cross above, crosses over, cross over, crossing above, crosses back above, crosses up through, breaks out over, breaks over, crosses to above, surpasses, surpass"),
    ("CROSS_DOWN", None, "breaks below, breaks under, break below, crosses below, cross below, crosses under, cross under, crossing below, crosses back below, breaks down below, crosses down through, crosses to below"),
    ("BELOW", None, "below, under, beneath, underneath, <, <=, =<, less than, lower than, at or below, at or under, no more than, not more than, less than or equal to, below or at, no higher than, or less than, smaller than, at most, at no more than, for less than, for no more than, for at most, down below, cheaper than, south of, fewer than, for under, for below, is at most, or below of, does not exceed, on or below, equal to or below, below or equal to, equal to or less than"),
    ("ABOVE", None, "above, over, >, >=, =>, more than, higher than, greater than, at or above, at or over, no less than, not less than, greater than or equal to, above or at, exceeds, exceed, exceeding, at least, at no less than, for more than, for no less than, for at least, tops, top, beyond, north of, bigger than, larger than, or more than, for over, for above, is at least, past, on or above, no lower than, equal to or above, above or equal to, equal to or greater than, more than or equal to, upwards of"),
    ("OR_LOWER", None, "or lower, or below, or less, or under, or cheaper, and below, and lower, or better for a buy"),
    ("OR_HIGHER", None, "or higher, or above, or more, or over, and above, and higher, and up, or greater"),
    ("TO", None, "to, back to, all the way to, as low as, as high as"),
    ("AT", None, "at, @"),
    ("BY", None, "by"),
    ("MA_LEVEL", None, "moving average level"),
    ("FROM", None, "from, off, off of, away from, relative to, compared to, compared with, versus, vs, against, since"),
    ("HIGH", "session", "high, highs, highest, highest price"),
    ("HIGH", "peak", "peak, top price, high water mark, peak price, high from here on, high from now on, peak from here on, peak from now on, highest since now, high since now, highest point, running high, highest from here on, best price"),
    ("LOW", "session", "low, lows, lowest"),
    ("LOW", "trough", "trough, bottom, low from here on, low from now on, lowest point"),
    ("COST", None, "what i paid, what i paid for it, what i paid for them, what i bought it at, what i bought it for, my cost, my cost basis, cost basis, my average cost, average cost, my purchase price, purchase price, my entry, my entry price, entry price, my buy price, buy price, my average price, my average, my price, the price i paid, my basis, break even, breakeven, my breakeven, where i bought it, where i bought, what they cost me, what it cost me, my average cost basis, price i paid, my avg cost"),
    ("CLOSE_BEFORE", None, "yesterday's close, the previous close, previous close, last close, the prior close, prior close, yesterday, the last close, the day before, close of the day before, close, previous day's close"),
    ("ON_THE_DAY", "1d", "on the day, in the day, in one session, intraday, in a single day, in a single session, during the day, on a single day, during one day, during a session, within the day, in a trading day, day over day, for the day, on one day, daily move, from the open to close"),
    ("VOLUME", None, "volume, trading volume, daily volume, the volume, day's volume, today's volume, shares traded, session volume, turnover in shares"),
    ("AVERAGE", None, "average, its average, usual, normal, the average, average volume, its average volume, the usual, its usual, its normal, the normal, avg, mean, usual volume, its avg, its daily average, average daily volume, its average daily volume, normal volume"),
    ("MULTIPLE", "2", "double, doubles"),
    ("MULTIPLE", "3", "triple, thrice, triples"),
    ("TIMES", None, "times, x, times over"),
    ("MA", "sma", "ma, moving average, simple moving average, sma, dma, moving avg, average line, mas, moving averages, smas"),
    ("MA", "ema", "ema, exponential moving average, exponential average, emas"),
    ("EMA", None, "exponential"),
    ("GOLDEN", "up", "golden cross, a golden cross"),
    ("GOLDEN", "down", "death cross, a death cross"),
    ("HAPPENS", None, "happens, occurs, forms, appears, shows up, triggers"),
    ("TRAIL", None, "trailing stop, trailing stop loss, trailing stop-loss, trailing stop order, trail, trailing, trails, trailing sell, trailing order, trailing exit, ts"),
    ("STOP", None, "stop, stops, stop order to, stop loss, stop-loss, stoploss, stop order, stop loss order, stop-loss order, sl, protective stop"),
    ("TARGET", None, "take profit, take-profit, take profits, profit target, take profit order, tp, take-profit order"),
    ("LIMIT", None, "limit, limit order, limit order to, limit orders, lmt, limit price, limit price of"),
    ("DRIFT", None, "drifts, drift, drifted, are off, off target, out of balance, deviates, off balance, drifts by, gets off, off target by, off by, wanders, strays, off its target, off their targets, deviates from target"),
    ("EITHER", None, "either, any of them, either one, either of them, any weight, a weight, one of them, weights, the weights, any weight"),
    ("POINTS", None, "points, percentage points, point, pp, percentage point, pts, pct points, percent points"),
    ("CASH", None, "cash"),
    # --- until when, how often ---
    ("UNTIL", None, "until, till, til, good until, valid until, active until, good till, expires, expiring, expires on, up until, through, thru, ends, ending, no later than, not later than, at the latest by, lasting until, gtd, good til, expire, ends on, valid till, on or before, open until, expiring on, expire on, good through, valid through, good till date"),
    ("BEFORE", None, "before, prior to, ahead of"),
    ("STARTING", None, "starting, beginning, starting from, effective, starting on, as of, not before, beginning on, active from, valid from, after, start on, as from"),
    ("NEXT", None, "for the next, over the next, within the next, in the next, during the next, the next, next, for the coming, in the coming"),
    ("WITHIN", None, "within, during, inside, inside of, in under, in the space of, in the course of, over the course of, over the last, in the last, in the past, over the past, within the last"),
    ("FOREVER", None, "gtc, good till cancelled, good til cancelled, good until cancelled, good till canceled, good until canceled, until cancelled, until canceled, until i cancel, until i cancel it, until further notice, forever, indefinitely, no expiry, with no expiry, without expiry, no end date, open ended, never expires"),
    ("DAY_ORDER", None, "day order, as a day order, day only, good for day, good for the day, good for today, for the day only, day orders"),
    ("THIS_WEEK", None, "this week, during this week"),
    ("ONCE", None, "once, one time, just once, only once, a single time, one time only, one-time, one-off, one off, once only, exactly once"),
    ("TWICE", None, "twice"),
    ("RECURRING", None, "recurring, repeatedly, repeating, again and again, as often as it happens, as often as it takes, unlimited, without limit, repeat, every single time, always, as often as possible, unlimited times, no limit"),
    ("AT_MOST", None, "max, maximum of, a maximum of, but not more than, but no more than, but at most, up to, max of, limited to, maximum, at the most, but only, no more often than"),
    ("ONLY", None, "only"),
    ("COOLDOWN", None, "cooldown, cooldown of, cool down, cool-down, cooldown period of, pause of, cooling off period of, cooling-off period of, wait, wait at least"),
    ("BETWEEN", None, "between, between trades, between executions, between alerts, between buys, between sells, in between, apart, between each, between purchases, between sales, between notifications, between firings, between orders, between messages, between them, between two trades, between two alerts, after each trade, after each alert, before the next one"),
    ("EVERY", None, "per, every, each, on every, on each, every single"),
    ("AND", None, "and, &, plus, +, as well as"),
    ("OR", None, "or, or else"),
    ("THEN", None, "then, also"),
    ("BUT", None, "but"),
    ("NOW", None, "now, right now, right away, immediately, at once, asap, at market, at the market, at the current price, straight away, at market price, market order, instantly, this instant"),
    # --- words for rules ---
    ("RULE", None, "rule, rules, action, actions, trade rule, automation, automations, reminders, reminder, instruction, instructions"),
)  # fmt: skip

_FILLERS = (
    "to check, to check on, to look at, to review, to have a look at, please, pls, plz, hey, hi, hello, dear, kindly, just, could you, can you, would you, will you, i want to, i'd like to, "
    "i would like to, i would like you to, i want you to, i'd like you to, i wanna, i want, i'd like, i would like, i need to, "
    "i need you to, i need, go ahead and, make sure to, be sure to, a, an, the, for me, thanks, thank you, cheers, ok, okay, so, well, "
    "place, set, set up, create, make, make it, new rule, a new rule, a rule, rule to, place order, automatically, "
    "somehow, actually, again, ever, there, here, us, exchange, on the market, on the nyse, on nasdaq, "
    "some, exactly, could you please, can you please, would you please, help me, let's, lets, we, "
    "i, you, currently, already, either way, "
    "order to, an order to, order, orders, a rule to, a rule that, that then, put in, enter, add a rule to, submit, "
    "in total, overall, of them, yo, friend, bot, assistant, there's, there is, once again, gonna, going to, then, mark, per share, a share price, each share, a piece, apiece"
)


def _sayings(line: str) -> Iterator[tuple[str, ...]]:
    for saying in line.split(","):
        if words := tuple(saying.split()):
            yield words


@cache
def table() -> Mapping[tuple[str, ...], tuple[Meaning, ...]]:
    """What each saying means, by its words."""
    found: dict[tuple[str, ...], tuple[Meaning, ...]] = {}
    for type, value, line in _SAYINGS:
        for words in _sayings(line):
            found[words] = (*found.get(words, ()), Meaning(type, value))
    for words in _sayings(_FILLERS):
        found.setdefault(words, (Meaning(FILLER),))
    return found
