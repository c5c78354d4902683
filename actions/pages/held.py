"""What somebody sends who is no longer signed in: held in their session until they are again."""

from collections.abc import Mapping, Sequence

from django.http import HttpRequest

_KEY = "held"
_MOST = 40_000  # characters: more than any page of the wizard asks for


def hold(request: HttpRequest) -> None:
    """Keeps what was posted for when this address is opened next."""
    posted = dict(request.POST.lists())
    posted.pop("csrfmiddlewaretoken", None)
    if sum(len(text) for texts in posted.values() for text in texts) <= _MOST:
        request.session[_KEY] = {"path": request.get_full_path(), "posted": posted}


def held_for(request: HttpRequest) -> Mapping[str, Sequence[str]] | None:
    """What was held for this address, once; None where nothing was."""
    found = request.session.get(_KEY)
    if not found or found["path"] != request.get_full_path():
        return None
    del request.session[_KEY]
    posted: Mapping[str, Sequence[str]] = found["posted"]
    return posted
