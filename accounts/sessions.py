"""Where somebody is signed in: the sessions of their browsers, listed and ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import transaction
from ua_parser import parse

from accounts.models import User


@dataclass(frozen=True, slots=True)
class SignedInAt:
    """A browser in which somebody is signed in; `here` is the one that asks."""

    id: int
    browser: str
    address: str
    since: datetime
    here: bool


def sessions_of(*, user: User, here: str | None, now: datetime) -> Sequence[SignedInAt]:
    """The user's sessions that are open: this one first, then the newest. One statement."""
    open_keys = Session.objects.filter(expire_date__gt=now).values("session_key")
    found = UserSession.objects.filter(user=user, session_key__in=open_keys)
    rows = [
        SignedInAt(
            row.pk, browser_of(row.user_agent), row.ip, row.created_at, row.session_key == here
        )
        for row in found.order_by("-created_at")
    ]
    return sorted(rows, key=lambda row: not row.here)


@transaction.atomic
def end_session(*, user: User, session_id: int) -> None:
    """Signs one browser out. Raises UserSession.DoesNotExist for another's session."""
    row = UserSession.objects.get(user=user, pk=session_id)
    Session.objects.filter(session_key=row.session_key).delete()
    row.delete()


@transaction.atomic
def end_others(*, user: User, but: str | None) -> int:
    """Signs all of the user's browsers out, but for the session `but`. Returns how many."""
    others = UserSession.objects.filter(user=user).exclude(session_key=but or "")
    ended, _ = Session.objects.filter(session_key__in=others.values("session_key")).delete()
    others.delete()
    return ended


def browser_of(user_agent: str) -> str:
    """What a browser says it is, in words: "Firefox on Windows"."""
    said = parse(user_agent)
    browser = said.user_agent.family if said.user_agent else ""
    system = said.os.family if said.os else ""
    return " on ".join(part for part in (browser, system) if part) or "An unknown program"
