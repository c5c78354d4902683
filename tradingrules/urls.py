"""Every address of the site."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("actions.overview.urls")),
    path("", include("portfolios.urls")),
    path("", include("actions.urls")),
    path("", include("accounts.urls")),
    path("admin/", admin.site.urls),
    path("api/", include("accounts.api")),
    path("api/", include("market.api")),
    path("api/", include("portfolios.api")),
    path("api/", include("actions.api.urls")),
    path("api/", include("tradingrules.api")),  # last: it answers for what there is not
]
