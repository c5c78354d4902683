"""What stands around every page: the navigation, and what a person must know wherever they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.functional import cached_property

from accounts.models import User
from accounts.themes import Theme, theme_of
from actions.notify.inbox import unread_count
from actions.sentence import in_zone
from actions.words import span
from market.services import calendar
from market.status import newest_price_at, prices_are_stale
from portfolios.selectors import Pause, pause_of

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


class Shell:
    """Worked out when a template asks: a page takes three queries for it, a part of one none."""

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
        user = self._user
        count = unread_count(user=user, at_most=MOST_UNREAD + 1) if user else 0
        if count > MOST_UNREAD:
            return f"{MOST_UNREAD}+"
        return str(count) if count else ""

    @cached_property
    def banners(self) -> Sequence[Banner]:
        user = self._user
        if user is None:
            return ()
        now = timezone.now()
        found = (_paused(pause_of(user=user)), _market(user, now))
        return [banner for banner in found if banner]

    @property
    def _user(self) -> User | None:
        # None is set yet where a request is refused before anybody asked who makes it.
        user = getattr(self._request, "user", None)
        return user if isinstance(user, User) else None


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


def _market(user: User, now: datetime) -> Banner | None:
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
    newest = newest_price_at()
    if newest is None or not prices_are_stale(newest=newest, now=now):
        return None
    words = (
        f"No new price for {span(now - newest)}, since {in_zone(newest, user.zone)}. "
        "Rules that wait for a price do not fire until prices come again."
    )
    return Banner("stale", "loss", "warn", words)
