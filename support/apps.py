"""Has the admin's site be ours, whose first page says how the engine is."""

from django.contrib.admin.apps import AdminConfig


class SupportAdminConfig(AdminConfig):
    default_site = "tradingrules.site.SupportSite"
