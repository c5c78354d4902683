from django.urls import path

from actions import views

urlpatterns = [
    path("", views.index, name="actions"),
]
