from django.urls import path

from actions import views
from actions.notify.views import unsubscribe_page

urlpatterns = [
    path("actions", views.index, name="actions"),
    path("unsubscribe/<str:token>", unsubscribe_page, name="unsubscribe"),
    path("portfolio/pause", views.pause_everything, name="pause-everything"),
]
