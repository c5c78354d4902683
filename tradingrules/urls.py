"""Every address of the site."""

from django.contrib import admin
from django.urls import include, path

from tradingrules import views

urlpatterns = [
    path("", include("actions.urls")),
    path("", include("accounts.urls")),
    path("status", views.status, name="status"),
    path("admin/", admin.site.urls),
]
