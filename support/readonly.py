"""How tables are shown that only services, the engine and commands write."""

from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse

from support.links import link, list_url
from support.paging import BoundedList, BoundedPaginator
from support.search import Places, found


class QuickAdmin[M: Model](admin.ModelAdmin[M]):
    """Lists a table that may be large: counts it no further than it is read, sorts it as its index
    does, and searches it by indexes where it says its `places`."""

    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()
    list_per_page = 50
    list_max_show_all = 0
    places = Places()

    def get_changelist(self, request: HttpRequest, **more: Any) -> type[ChangeList]:
        return BoundedList

    def get_search_fields(self, request: HttpRequest) -> Any:
        """Where there are places, there is a box to type in."""
        at = self.places
        return (*at.ids, *at.people, *at.symbols) or super().get_search_fields(request)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[M], search_term: str
    ) -> tuple[QuerySet[M], bool]:
        if self.places == Places() or not search_term.strip():
            return super().get_search_results(request, queryset, search_term)
        return found(queryset, self.places, search_term), False

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: M | None = None,
    ) -> HttpResponse:
        """With links to all that belongs to the person to whom the row does."""
        person = self._person(obj) if obj is not None else None
        if person is not None:
            context |= {"person": link(person), "belongings": self._belongings(request, person)}
        return super().render_change_form(request, context, add, change, form_url, obj)

    def _person(self, row: M) -> Model | None:
        """Whose row it is: at the end of the path by which people's rows are found."""
        if not self.places.people:
            return None
        found: Any = row
        for name in self.places.people[0].split("__"):
            found = found if name == "pk" else getattr(found, name)
        return cast("Model", found)

    def _belongings(self, request: HttpRequest, person: Model) -> list[tuple[str, str]]:
        """The lists in which rows of this person's can be found, by their addresses and names."""
        models = [each for app in self.admin_site.get_app_list(request) for each in app["models"]]
        return [
            (list_url(each["model"], q=str(person.pk)), each["name"])
            for each in models
            if not isinstance(person, each["model"])
            and _finds_people(self.admin_site.get_model_admin(each["model"]))
        ]


def _finds_people(found: admin.ModelAdmin[Any]) -> bool:
    return isinstance(found, QuickAdmin) and bool(found.places.people)


class ReadOnlyAdmin[M: Model](QuickAdmin[M]):
    """Shows, and changes nothing, for anybody: superusers included."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False


class ReadOnlyInline[C: Model, P: Model](admin.TabularInline[C, P]):
    """Rows that belong to another, on its page."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
