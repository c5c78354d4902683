"""What was said and proposed, for support: looked at, never changed."""

from django.contrib import admin

from actions.admin import ReadOnlyAdmin
from chat.models import Conversation, Message, Proposal


@admin.register(Conversation)
class ConversationAdmin(ReadOnlyAdmin[Conversation]):
    list_display = ("title", "user", "created_at", "updated_at")
    list_select_related = ("user",)
    search_fields = ("id", "user__username", "user__email")
    search_help_text = "By id, user name or e-mail."
    ordering = ("-updated_at",)


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin[Message]):
    list_display = ("created_at", "role", "conversation", "tokens_in", "tokens_out", "cost_usd")
    list_filter = ("role",)
    list_select_related = ("conversation",)
    search_fields = ("conversation__id", "conversation__user__username")
    search_help_text = "By the conversation's id or the user's name."
    ordering = ("-id",)


@admin.register(Proposal)
class ProposalAdmin(ReadOnlyAdmin[Proposal]):
    list_display = ("sentence", "intent", "status", "user", "created_at", "decided_at")
    list_filter = ("intent", "status")
    list_select_related = ("user",)
    search_fields = ("id", "user__username", "user__email")
    search_help_text = "By id, user name or e-mail."
    ordering = ("-created_at",)
