from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from accounts.themes import choose_theme

urlpatterns = [
    path("sign-in", LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("sign-out", LogoutView.as_view(), name="logout"),
    path("theme", choose_theme, name="theme"),
]
