from django.urls import path

from actions import views

urlpatterns = [
    path("", views.index, name="actions"),
    path("portfolio/pause", views.pause_everything, name="pause-everything"),
]
