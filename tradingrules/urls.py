"""Every address of the site."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path

from tradingrules import views
from tradingrules.metrics import metrics

handler400 = "rest.handlers.bad_request"
handler500 = "rest.handlers.server_error"

urlpatterns = [
    path("", include("actions.overview.urls")),
    path("", include("portfolios.urls")),
    path("", include("actions.urls")),
    path("", include("accounts.urls")),
    path("", include("chat.urls")),
    path("status", views.status, name="status"),
    path("monitoring", views.monitoring, name="monitoring"),
    path("metrics", metrics),
    # Support signs in as everybody does, with the second factor and the lock-out.
    path("admin/login/", secure_admin_login(admin.site.login)),
    path("admin/", admin.site.urls),
    path("api/", include("accounts.api")),
    path("api/", include("market.api")),
    path("api/", include("portfolios.api")),
    path("api/", include("actions.api.urls")),
    path("api/", include("chat.api")),
    path("api/", include("tradingrules.api")),  # last: it answers for what there is not
]
