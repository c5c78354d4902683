from django.urls import path

from actions import views
from actions.notify.views import inbox, preferences, read_all, unsubscribe_page

urlpatterns = [
    path("actions", views.index, name="actions"),
    path("unsubscribe/<str:token>", unsubscribe_page, name="unsubscribe"),
    path("notifications", inbox, name="notifications"),
    path("notifications/read", read_all, name="notifications-read"),
    path("account/notifications", preferences, name="preferences"),
]
