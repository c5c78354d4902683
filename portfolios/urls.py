from django.urls import path

from portfolios import views

urlpatterns = [
    path("portfolio/open", views.open_page, name="open-portfolio"),
    path("portfolio/pause", views.pause_everything, name="pause-everything"),
    path("portfolio/<uuid:portfolio_id>/deposit", views.deposit_page, name="deposit"),
    path("portfolio/<uuid:portfolio_id>/withdraw", views.withdraw_page, name="withdraw"),
    path("portfolio/<uuid:portfolio_id>/limits", views.limits_page, name="limits"),
    path("portfolio/<uuid:portfolio_id>/rename", views.rename_page, name="rename-portfolio"),
    path("portfolio/<uuid:portfolio_id>/primary", views.primary_page, name="make-primary"),
    path("portfolio/<uuid:portfolio_id>/pause", views.pause_page, name="pause-portfolio"),
]
