"""Light, dark, or as the system has it: kept in a cookie, which holds before signing in."""

from enum import StrEnum

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from accounts.http import back

COOKIE = "theme"
_YEAR_SECONDS = 31_536_000


class Theme(StrEnum):
    LIGHT = "light"
    DARK = "dark"
    SYSTEM = "system"


def theme_of(request: HttpRequest) -> Theme:
    """The theme that was chosen in this browser; the system's where none was, or none that is."""
    try:
        return Theme(request.COOKIES.get(COOKIE, Theme.SYSTEM))
    except ValueError:
        return Theme.SYSTEM


@require_POST
def choose_theme(request: HttpRequest) -> HttpResponse:
    """Keeps `theme` and goes back to `next`, a path of this site."""
    answer = back(request, otherwise="/")
    chosen = request.POST.get("theme")
    if chosen in (Theme.LIGHT, Theme.DARK):
        answer.set_cookie(
            COOKIE,
            chosen,
            max_age=_YEAR_SECONDS,
            secure=request.is_secure(),
            httponly=True,
            samesite="Lax",
        )
    else:
        answer.delete_cookie(COOKIE, samesite="Lax")
    return answer
