from django.urls import path

from actions.notify.views import inbox, preferences, read_all, unsubscribe_page
from actions.pages import bulk, controls, detail, execute, listing, wizard

urlpatterns = [
    path("actions", listing.index, name="actions"),
    path("actions/new", wizard.wizard, name="action-new"),
    path("actions/new/<slug:step>", wizard.wizard, name="action-new"),
    path("actions/symbols", wizard.symbols, name="action-symbols"),
    path("actions/export", bulk.export, name="actions-export"),
    path("actions/import", bulk.upload, name="action-import-file"),
    path("actions/import/<uuid:import_id>", bulk.import_page, name="action-import"),
    path("actions/import/<uuid:import_id>/confirm", bulk.confirm, name="action-import-confirm"),
    path("actions/import/<uuid:import_id>/cancel", bulk.cancel, name="action-import-cancel"),
    path("actions/import/<uuid:import_id>/report", bulk.report, name="action-import-report"),
    path("actions/several", controls.control_several, name="actions-several"),
    path("actions/undo/<str:token>", controls.undo, name="actions-undo"),
    path("actions/<uuid:action_id>", detail.detail, name="action"),
    path("actions/<uuid:action_id>/edit", wizard.wizard, name="action-edit"),
    path("actions/<uuid:action_id>/edit/<slug:step>", wizard.wizard, name="action-edit"),
    path("actions/<uuid:action_id>/execute", execute.execute, name="action-execute"),
    path("actions/<uuid:action_id>/<slug:wish>", controls.control, name="action-control"),
    path("unsubscribe/<str:token>", unsubscribe_page, name="unsubscribe"),
    path("notifications", inbox, name="notifications"),
    path("notifications/read", read_all, name="notifications-read"),
    path("account/notifications", preferences, name="preferences"),
]
