"""What stands around every page: the navigation, and what a person must know wherever they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from django.db import connection
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.functional import cached_property

from accounts.models import User
from accounts.themes import Theme, theme_of
from actions.sentence import in_zone
from actions.words import span
from market.services import calendar
from market.status import prices_are_stale
from portfolios.selectors import Pause, pause_by

MOST_UNREAD = 99


@dataclass(frozen=True, slots=True)
class Entry:
    """A page of the navigation. `short` is its name where there is little room."""

    url: str
    label: str
    short: str
    icon: str


@dataclass(frozen=True, slots=True)
class Banner:
    """Something that holds for everything on the site. `tone` is a class of shell.css."""

    name: str
    tone: str
    icon: str
    words: str


_PAGES = (
    ("dashboard", "Dashboard", "Dashboard", "dashboard"),
    ("portfolio", "Portfolio", "Portfolio", "portfolio"),
    ("actions", "Actions", "Actions", "actions"),
    ("log", "Actions Log", "Log", "log"),
    ("chat", "Chat", "Chat", "chat"),
)


# How many notifications nobody has read (counting ends), who has paused which portfolio, and of
# when the newest of all prices is.
_STANDING = """
SELECT (SELECT count(*)
          FROM (SELECT FROM notifications
                 WHERE user_id = %(user)s AND read_at IS NULL LIMIT %(most)s) AS unread),
       ARRAY(SELECT ARRAY[paused_by_owner, paused_by_staff]
               FROM portfolios_portfolio WHERE user_id = %(user)s),
       (SELECT max(as_of) FROM market_quote)
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds for somebody on every page. `newest_price_at` is None before the first price."""

    unread: int
    pause: Pause
    newest_price_at: datetime | None


class Shell:
    """Worked out when a template asks: a page takes one statement for it, a part of one none."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    @property
    def theme(self) -> Theme:
        return theme_of(self._request)

    @property
    def themes(self) -> Sequence[tuple[Theme, str, str]]:
        return (
            (Theme.LIGHT, "Light", "sun"),
            (Theme.DARK, "Dark", "moon"),
            (Theme.SYSTEM, "System", "half"),
        )

    @property
    def navigation(self) -> Sequence[Entry]:
        return _navigation()

    @cached_property
    def here(self) -> str:
        """The address in the navigation under which this page lies."""
        path = self._request.path
        under = (page.url for page in _navigation() if _lies_under(path, page.url))
        return max(under, key=len, default="")

    @cached_property
    def unread(self) -> str:
        """How many notifications are not read yet, as a badge says it; empty for none."""
        count = self._standing.unread if self._standing else 0
        if count > MOST_UNREAD:
            return f"{MOST_UNREAD}+"
        return str(count) if count else ""

    @cached_property
    def banners(self) -> Sequence[Banner]:
        user, standing = getattr(self._request, "user", None), self._standing
        if standing is None or not isinstance(user, User):
            return ()
        market = _market(user, standing.newest_price_at, timezone.now())
        return [banner for banner in (_paused(standing.pause), market) if banner]

    @cached_property
    def _standing(self) -> Standing | None:
        """None where nobody is signed in."""
        # None is set yet where a request is refused before anybody asked who makes it.
        user = getattr(self._request, "user", None)
        if not isinstance(user, User):
            return None
        with connection.cursor() as cursor:
            cursor.execute(_STANDING, {"user": user.pk, "most": MOST_UNREAD + 1})
            unread, switches, newest = cursor.fetchone()
        return Standing(unread, pause_by(switches=switches), newest)


def shell(request: HttpRequest) -> dict[str, object]:
    """For every template: `shell`, a Shell."""
    return {"shell": Shell(request)}


@cache
def _navigation() -> Sequence[Entry]:
    """The pages that exist."""
    found = []
    for name, label, short, icon in _PAGES:
        try:
            found.append(Entry(reverse(name), label, short, icon))
        except NoReverseMatch:
            continue
    return found


def _lies_under(path: str, url: str) -> bool:
    return path == url or (url != "/" and path.startswith(url.rstrip("/") + "/"))


def _paused(pause: Pause) -> Banner | None:
    if pause is Pause.NONE:
        return None
    words = {
        Pause.BY_STAFF: "Support has paused all your rules. None fires until support lets them.",
        Pause.BY_OWNER: "All your rules are paused. None fires until you let them go on.",
        Pause.IN_PART: "The rules of one of your portfolios are paused.",
    }[pause]
    name = "paused" if pause is Pause.BY_OWNER else "held"
    return Banner(name, "wait", "pause", words)


def _market(user: User, newest: datetime | None, now: datetime) -> Banner | None:
    """That it is closed; or else, while it is open, that no prices come."""
    market = calendar()
    if not market.is_open(now):
        opens = market.next_open(now)
        wait = span(max(opens - now, timedelta(minutes=1)))
        words = (
            f"The market is closed. It opens in {wait} ({in_zone(opens, user.zone)}). "
            "Rules that trade wait until then."
        )
        return Banner("closed", "", "clock", words)
    if newest is None or not prices_are_stale(newest=newest, now=now):
        return None
    words = (
        f"No new price for {span(now - newest)}, since {in_zone(newest, user.zone)}. "
        "Rules that wait for a price do not fire until prices come again."
    )
    return Banner("stale", "loss", "warn", words)
