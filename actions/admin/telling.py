"""What people were told, and how it was sent."""

from django.contrib import admin
from django.utils.safestring import SafeString

from actions.admin.rules import SEARCHES, RuleRowAdmin
from actions.models import Delivery, Notification, Preferences
from actions.notify.deliver import RetryRefused, retry_delivery
from support.interventions import InterveningAdmin, Mandate, Refused, intervention
from support.links import link
from support.readonly import ReadOnlyAdmin, ReadOnlyInline
from support.search import Places

SEARCHES_OF_PEOPLE = "An id or how it begins, or how the user's name or e-mail begins."


@admin.register(Notification)
class NotificationAdmin(RuleRowAdmin[Notification]):
    list_display = ("created_at", "owner", "kind", "subject", "rule", "sent_as", "read_at")
    list_filter = ("kind", "created_at")
    places = Places(ids=("pk", "user", "action"), people=("user",), symbols=("action__symbol",))
    search_help_text = SEARCHES
    list_select_related = ("user", "action__user", "email", "webhook")

    @admin.display(description="user")
    def owner(self, notification: Notification) -> SafeString | str:
        return link(notification.user)

    @admin.display(description="sent")
    def sent_as(self, notification: Notification) -> str:
        ways = (notification.email, notification.webhook)
        sent = [f"{way.get_channel_display()}: {way.get_state_display()}" for way in ways if way]
        return "; ".join(sent) or "In the app"


class LetterInline(ReadOnlyInline[Notification, Delivery]):
    model = Notification
    fk_name = "email"
    verbose_name_plural = "notifications that this e-mail carries"
    show_change_link = True
    fields = readonly_fields = ("created_at", "kind", "subject")


class CallInline(LetterInline):
    fk_name = "webhook"
    verbose_name_plural = "notification that this webhook call carries"


@admin.register(Delivery)
class DeliveryAdmin(InterveningAdmin[Delivery]):
    list_display = (
        "created_at",
        "owner",
        "channel",
        "state",
        "attempts",
        "next_attempt_at",
        "sent_at",
        "last_error",
    )
    list_filter = ("state", "created_at")
    places = Places(ids=("pk", "user"), people=("user",))
    search_help_text = SEARCHES_OF_PEOPLE
    list_select_related = ("user",)
    inlines = (LetterInline, CallInline)
    actions = ("retry",)

    @admin.display(description="user")
    def owner(self, delivery: Delivery) -> SafeString | str:
        return link(delivery.user)

    def named(self, row: Delivery) -> str:
        return f"{row.get_channel_display()} to {row.user}, of {row.created_at:%Y-%m-%d %H:%M} UTC."

    @intervention(
        "Send again",
        permission="actions.retry_delivery",
        effect="What was given up is sent after all, within a minute, and tried for another day. "
        "It may reach its receiver twice.",
    )
    def retry(self, delivery: Delivery, mandate: Mandate) -> None:
        try:
            retry_delivery(delivery_id=delivery.pk, now=mandate.now)
        except RetryRefused as refused:
            raise Refused(str(refused)) from refused


@admin.register(Preferences)
class PreferencesAdmin(ReadOnlyAdmin[Preferences]):
    list_display = ("user", "email_on", "quiet_from", "quiet_until", "webhook_on")
    list_filter = ("email_on", "webhook_on")
    places = Places(ids=("user",), people=("user",))
    search_help_text = SEARCHES_OF_PEOPLE
    list_select_related = ("user",)
    # Not the address, which may carry a key, and never the secret: both are the owner's.
    fields = ("user", "email_on", "quiet_from", "quiet_until", "webhook_on")
