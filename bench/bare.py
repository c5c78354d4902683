"""What the API's list is measured beside: a viewset as anybody would write it, of the same rows."""

from typing import Any

from django.db.models import QuerySet
from django.urls import include, path
from rest_framework.pagination import PageNumberPagination
from rest_framework.renderers import JSONRenderer
from rest_framework.routers import SimpleRouter
from rest_framework.serializers import CharField, ModelSerializer
from rest_framework.viewsets import ModelViewSet

from actions.models import Action
from actions.rows import FIELDS


class _Serializer(ModelSerializer[Action]):
    description = CharField(read_only=True, source="trigger_type")  # no sentence: it pays for none

    class Meta:
        model = Action
        fields = FIELDS


class _Pages(PageNumberPagination):
    page_size_query_param = "page_size"

    def paginate_queryset(self, queryset: Any, request: Any, view: Any = None) -> list[Any]:
        """Without the total, which ours does not count either."""
        self._rows = list(queryset[: int(request.query_params["page_size"])])
        return self._rows

    def get_paginated_response(self, data: Any) -> Any:
        from rest_framework.response import Response  # noqa: PLC0415

        return Response({"next": None, "previous": None, "results": data})


class _Rules(ModelViewSet[Action]):
    serializer_class = _Serializer
    pagination_class = _Pages
    renderer_classes = (JSONRenderer,)

    def get_queryset(self) -> QuerySet[Action]:
        return Action.objects.filter(user=self.request.user).order_by("-created_at", "id")  # type: ignore[misc]


router = SimpleRouter(trailing_slash=False)
router.register("bare", _Rules, basename="bare")
urlpatterns = [path("", include(router.urls)), path("", include("tradingrules.urls"))]
