"""Signing in, and one's account: allauth's views, under names that people can read."""

from allauth.account import views as allauth
from django.urls import include, path, re_path

from accounts.themes import choose_theme
from accounts.views import account, api_access, new_token, revoke, sessions

urlpatterns = [
    path("sign-in", allauth.login, name="account_login"),
    path("sign-up", allauth.signup, name="account_signup"),
    path("sign-out", allauth.logout, name="account_logout"),
    path("sign-in/inactive", allauth.account_inactive, name="account_inactive"),
    path("sign-in/again", allauth.reauthenticate, name="account_reauthenticate"),
    path("password/forgotten", allauth.password_reset, name="account_reset_password"),
    path("password/sent", allauth.password_reset_done, name="account_reset_password_done"),
    re_path(
        r"^password/new/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)$",
        allauth.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path(
        "password/changed",
        allauth.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    path("account", account, name="account"),
    path("account/password", allauth.password_change, name="account_change_password"),
    path("account/password/first", allauth.password_set, name="account_set_password"),
    path("account/email", allauth.email, name="account_email"),
    path(
        "account/email/sent",
        allauth.email_verification_sent,
        name="account_email_verification_sent",
    ),
    re_path(
        r"^account/email/confirm/(?P<key>[-:\w]+)$",
        allauth.confirm_email,
        name="account_confirm_email",
    ),
    path("account/second-factor/", include("allauth.mfa.urls")),
    path("account/sessions", sessions, name="sessions"),
    path("account/api", api_access, name="api-access"),
    path("account/api/new", new_token, name="api-token-new"),
    path("account/api/<uuid:token_id>/revoke", revoke, name="api-token-revoke"),
    path("theme", choose_theme, name="theme"),
]
