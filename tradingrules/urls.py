"""Every address of the site."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from tradingrules import views

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="actions")),
    path("", include("actions.urls")),
    path("", include("accounts.urls")),
    path("", include("chat.urls")),
    path("status", views.status, name="status"),
    path("admin/", admin.site.urls),
    path("api/", include("accounts.api")),
    path("api/", include("market.api")),
    path("api/", include("portfolios.api")),
    path("api/", include("actions.api.urls")),
    path("api/", include("chat.api")),
    path("api/", include("tradingrules.api")),  # last: it answers for what there is not
]
