"""What can be done with rules from a list or a page: pause, resume, cancel, and take back."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.signing import BadSignature, dumps, loads
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from accounts.http import SignedIn, back, told
from accounts.models import User
from actions.lifecycle import TransitionRefused
from actions.models import Action
from actions.parts import InvalidRule
from actions.rules import Status
from actions.selectors import owned_action
from actions.services import UndoRefused, cancel_action, pause_action, resume_action, take_back

MOST_AT_ONCE = 100
_SALT = "actions.undo"

# What each button asks for: the service, and what is said of one rule and of several.
_WISHES: Mapping[str, tuple[Callable[..., Action], str]] = {
    "pause": (pause_action, "Paused"),
    "resume": (resume_action, "Resumed"),
    "cancel": (cancel_action, "Cancelled"),
}


@login_required
@require_POST
def control(request: SignedIn, action_id: UUID, wish: str) -> HttpResponse:
    """Does one thing to one rule."""
    user, now = request.user, timezone.now()
    service, done = _wish(wish)
    try:
        before = owned_action(user=user, action_id=action_id)
        action = service(user=user, action_id=action_id, now=now)
    except Action.DoesNotExist:
        raise Http404("There is no such rule.") from None
    except (TransitionRefused, InvalidRule) as refused:
        messages.error(request, f"{in_words(refused)} Nothing was changed.")
    else:
        undo = _undo([(before, action)]) if wish != "resume" else ""
        restarted = " Its trigger starts anew." if wish == "resume" else ""
        told(request, f"{done}: {action.sentence(user.zone)}{restarted}", undo=undo)
    return _back(request)


@login_required
@require_POST
def control_several(request: SignedIn) -> HttpResponse:
    """Does one thing to the rules that were selected: `rule` their ids, `wish` what."""
    service, done = _wish(request.POST.get("wish", ""))
    ids = _ids(request.POST.getlist("rule"))
    if not ids:
        messages.info(request, "No rule was selected. Tick some first.")
        return _back(request)
    changed, refused = _each(request.user, ids, service, timezone.now())
    if changed:
        undo = _undo(changed) if request.POST["wish"] != "resume" else ""
        told(request, f"{done} {_rules(len(changed))}.", undo=undo)
    if refused:
        messages.warning(request, f"{_rules(len(refused))} stayed as before. {refused[0]}")
    return _back(request)


@login_required
@require_POST
def undo(request: SignedIn, token: str) -> HttpResponse:
    """Takes back a pause or a cancellation of the last minute."""
    try:
        said = loads(token, salt=_SALT)
    except BadSignature:
        raise Http404("There is nothing like that to undo.") from None
    now, restored, refused = timezone.now(), 0, ""
    for was, ids in said["was"].items():
        for id in ids:
            try:
                take_back(
                    user=request.user,
                    action_id=UUID(id),
                    was=Status(was),
                    ended_at=datetime.fromisoformat(said["at"]),
                    now=now,
                )
                restored += 1
            except Action.DoesNotExist:
                raise Http404("There is no such rule.") from None
            except (UndoRefused, InvalidRule) as words:
                refused = in_words(words)
    if restored:
        told(request, f"Taken back: {_rules(restored)} as before.")
    if refused:
        messages.error(request, refused)
    return _back(request)


def _each(
    user: User, ids: Sequence[UUID], service: Callable[..., Action], now: datetime
) -> tuple[list[tuple[Action, Action]], list[str]]:
    """Each rule before and after; and why others stayed as they were."""
    mine = {action.pk: action for action in Action.objects.filter(user=user, pk__in=ids)}
    changed, refused = [], []
    for id, before in sorted(mine.items()):
        try:
            changed.append((before, service(user=user, action_id=id, now=now)))
        except (TransitionRefused, InvalidRule) as words:
            refused.append(in_words(words))
    return changed, refused


def _undo(changed: Sequence[tuple[Action, Action]]) -> str:
    """The path that takes this back: it names the rules and how they were, and cannot be forged."""
    was: dict[str, list[str]] = {}
    for before, after in changed:
        was.setdefault(before.status, []).append(str(after.pk))
    token = dumps(
        {"was": was, "at": changed[0][1].updated_at.isoformat()}, salt=_SALT, compress=True
    )
    return reverse("actions-undo", args=[token])


def _wish(name: str) -> tuple[Callable[..., Action], str]:
    if name not in _WISHES:
        raise Http404("Nothing like that can be done to rules.")
    return _WISHES[name]


def _ids(texts: Sequence[str]) -> list[UUID]:
    found = []
    for text in texts[:MOST_AT_ONCE]:
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found


def _back(request: SignedIn) -> HttpResponse:
    """To the page on which the button was."""
    return back(request, otherwise=reverse("actions"))


def _rules(count: int) -> str:
    return "1 rule" if count == 1 else f"{count} rules"


def in_words(refused: Exception) -> str:
    return " ".join(refused.errors.values()) if isinstance(refused, InvalidRule) else str(refused)
