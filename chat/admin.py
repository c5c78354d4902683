"""What was said and proposed, for support: looked at, never changed."""

from django.contrib import admin

from chat.models import Conversation, Message, Proposal
from support.readonly import ReadOnlyAdmin
from support.search import Places

SEARCHES = "An id or how it begins, or how the user's name or e-mail begins."


@admin.register(Conversation)
class ConversationAdmin(ReadOnlyAdmin[Conversation]):
    list_display = ("title", "user", "created_at", "updated_at")
    list_select_related = ("user",)
    places = Places(ids=("pk", "user"), people=("user",))
    search_help_text = SEARCHES
    ordering = ("-updated_at",)


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin[Message]):
    list_display = ("created_at", "role", "conversation", "tokens_in", "tokens_out", "cost_usd")
    list_filter = ("role",)
    list_select_related = ("conversation",)
    places = Places(ids=("conversation", "conversation__user"), people=("conversation__user",))
    search_help_text = SEARCHES
    ordering = ("-id",)


@admin.register(Proposal)
class ProposalAdmin(ReadOnlyAdmin[Proposal]):
    list_display = ("sentence", "intent", "status", "user", "created_at", "decided_at")
    list_filter = ("intent", "status")
    list_select_related = ("user",)
    places = Places(ids=("pk", "user"), people=("user",))
    search_help_text = SEARCHES
    ordering = ("-created_at",)
