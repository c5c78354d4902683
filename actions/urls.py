from django.urls import path

from actions.notify.views import inbox, preferences, read_all, unsubscribe_page
from actions.pages import (
    backtests,
    controls,
    detail,
    execute,
    listing,
    promote,
    watched,
    wizard,
)

urlpatterns = [
    path("actions", listing.index, name="actions"),
    path("actions/new", wizard.wizard, name="action-new"),
    path("actions/new/<slug:step>", wizard.wizard, name="action-new"),
    path("actions/symbols", wizard.symbols, name="action-symbols"),
    path("actions/several", controls.control_several, name="actions-several"),
    path("actions/undo/<str:token>", controls.undo, name="actions-undo"),
    path("actions/backtests", backtests.index, name="backtests"),
    path("actions/backtests/new", backtests.new, name="backtest-new"),
    path("actions/backtests/<uuid:backtest_id>", backtests.shown, name="backtest"),
    path("actions/backtests/<uuid:backtest_id>/cancel", backtests.cancel, name="backtest-cancel"),
    path("actions/backtests/<uuid:backtest_id>/delete", backtests.delete, name="backtest-delete"),
    path("actions/<uuid:action_id>", detail.detail, name="action"),
    path("actions/<uuid:action_id>/edit", wizard.wizard, name="action-edit"),
    path("actions/<uuid:action_id>/edit/<slug:step>", wizard.wizard, name="action-edit"),
    path("actions/<uuid:action_id>/execute", execute.execute, name="action-execute"),
    path("actions/<uuid:action_id>/promote", promote.promote, name="action-promote"),
    path("actions/<uuid:action_id>/watched", watched.watched, name="action-watched"),
    path("actions/<uuid:action_id>/<slug:wish>", controls.control, name="action-control"),
    path("unsubscribe/<str:token>", unsubscribe_page, name="unsubscribe"),
    path("notifications", inbox, name="notifications"),
    path("notifications/read", read_all, name="notifications-read"),
    path("account/notifications", preferences, name="preferences"),
]
