"""What an e-mail says: one notification, or a digest of many, as text and as HTML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

from actions.models import Delivery, Notification
from actions.notify.links import absolute, rule_path, unsubscribe_path
from actions.notify.payload import rule_sentence
from portfolios.money import format_price, format_quantity, format_usd

_DID = {"buy": "Bought", "sell": "Sold"}
_WOULD = {"buy": "Would have bought", "sell": "Would have sold"}
LONGEST_DIGEST = 50  # lines; the rest are counted


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of a digest."""

    notification: Notification
    url: str


def letter(delivery: Delivery, notifications: Sequence[Notification]) -> EmailMultiAlternatives:
    """The e-mail that carries these notifications, newest first, to their one owner.

    Its Message-ID is the delivery's, so that a mailbox that gets it twice can tell.
    """
    unsubscribe = absolute(unsubscribe_path(delivery.user_id))
    if len(notifications) == 1:
        name, subject = "message", notifications[0].subject
        context = _message(notifications[0])
    else:
        name, subject = "digest", _headline(notifications)
        context = _digest(notifications)
    context |= {"subject": subject, "unsubscribe": unsubscribe, "site": absolute(rule_path(None))}
    mail = EmailMultiAlternatives(
        subject=" ".join(subject.split()),
        body=render_to_string(f"email/{name}.txt", context),
        to=[delivery.user.email],
        headers={
            "Message-ID": f"<{delivery.pk}@trading-rules>",
            "List-Unsubscribe": f"<{unsubscribe}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
    )
    mail.attach_alternative(render_to_string(f"email/{name}.html", context), "text/html")
    return mail


def _message(notification: Notification) -> dict[str, Any]:
    execution = notification.execution
    details: dict[str, Any] = execution.details if execution else {}
    return {
        "notification": notification,
        "text": _text(notification),
        "sentence": rule_sentence(notification),
        "rehearsal": execution is not None and execution.rehearsal,
        "refused": execution is not None and execution.error is not None,
        "why": details.get("reason", ""),
        "trades": [_trade(trade, _DID) for trade in details.get("trades", ())]
        + [_trade(trade, _WOULD) for trade in details.get("would_trade", ())],
        "cash_after": _usd(details.get("cash_after")),
        "link": absolute(rule_path(notification.action_id)),
    }


def _text(notification: Notification) -> str:
    """The subject and the body; once, where the body begins with the subject."""
    subject, body = notification.subject, notification.body
    return body if body.startswith(subject) else f"{subject}\n\n{body}"


def _digest(notifications: Sequence[Notification]) -> dict[str, Any]:
    shown = notifications[:LONGEST_DIGEST]
    return {
        "lines": [_Line(each, absolute(rule_path(each.action_id))) for each in shown],
        "more": len(notifications) - len(shown),
        "zone": notifications[0].user.zone,
    }


def _headline(notifications: Sequence[Notification]) -> str:
    """Such as "12 of your rules fired"; what is not all that simple is not called so."""
    rules = {each.action_id for each in notifications}
    if len(rules) == len(notifications) and all(
        each.kind == Notification.Kinds.FIRED for each in notifications
    ):
        return f"{len(rules)} of your rules fired"
    return f"{len(notifications)} notices about your rules"


def _trade(trade: dict[str, str], verbs: Mapping[str, str]) -> dict[str, str]:
    return {
        "verb": verbs[trade["side"]],
        "shares": format_quantity(abs(Decimal(trade["quantity"]))),
        "symbol": trade["symbol"],
        "price": format_price(Decimal(trade["price"])),
        "amount": format_usd(abs(Decimal(trade["amount"]))),
    }


def _usd(text: str | None) -> str:
    return format_usd(Decimal(text)) if text is not None else ""
