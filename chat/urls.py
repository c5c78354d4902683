from django.urls import path

from chat import views

urlpatterns = [
    path("chat", views.chat, name="chat"),
    path("chat/<uuid:conversation_id>", views.conversation, name="conversation"),
    path(
        "chat/<uuid:conversation_id>/executions",
        views.executions,
        name="conversation-executions",
    ),
    path(
        "chat/proposals/<uuid:proposal_id>/confirm", views.confirm_proposal, name="proposal-confirm"
    ),
    path(
        "chat/proposals/<uuid:proposal_id>/dismiss", views.dismiss_proposal, name="proposal-dismiss"
    ),
    path("chat/proposals/<uuid:proposal_id>/edit", views.edit_proposal, name="proposal-edit"),
]
