"""The page behind the link in every e-mail. The link itself is the authority: nobody signs in."""

from django.core.signing import BadSignature
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from accounts.models import User
from actions.notify.links import read_unsubscribe
from actions.notify.preferences import unsubscribe


# Mail programs post here by themselves (RFC 8058), without our cookie; whoever could forge the
# request would need the token, and having that needs to forge nothing.
@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe_page(request: HttpRequest, token: str) -> HttpResponse:
    """Asks, and with a POST sends the token's user no more e-mail. 404 for a token that is none."""
    try:
        user_id = read_unsubscribe(token)
        if request.method == "POST":
            unsubscribe(user_id=user_id)
    except (BadSignature, User.DoesNotExist):
        raise Http404("This link is not complete. Copy all of it from the e-mail.") from None
    return render(request, "actions/unsubscribe.html", {"done": request.method == "POST"})
