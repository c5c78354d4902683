"""What all views of the API have in common."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework.response import Response
from rest_framework.views import APIView

from rest.answers import as_answer
from rest.problems import Problem, not_found

Refusals = Mapping[type[Exception], Callable[[Any], Problem]]


class ApiView(APIView):
    """A view that says how each exception of its layer is answered."""

    refusals: ClassVar[Refusals] = {}

    def handle_exception(self, exception: Exception) -> Response:
        for kind, as_problem in self.refusals.items():
            if isinstance(exception, kind):
                return super().handle_exception(as_problem(exception))
        return super().handle_exception(exception)

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Response:
        """The methods that there are."""
        return Response(status=204, headers={"Allow": ", ".join(self.allowed_methods)})


@csrf_exempt  # there is nothing to be forged
def nothing_here(request: HttpRequest, path: str = "") -> HttpResponse:
    """The answer to every address below /api/ that there is not."""
    return as_answer(not_found())
