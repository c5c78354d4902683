"""What a webhook is told: one notification as JSON, with the headers that sign it."""

import json
from datetime import datetime
from typing import Any

from actions.models import ActionExecution, Delivery, Notification, Preferences
from actions.notify.links import absolute, rule_path
from actions.notify.webhook import Call, sign


def webhook_call(
    delivery: Delivery, notification: Notification, preferences: Preferences, now: datetime
) -> Call:
    """The call that delivers this notification to its owner's webhook, signed as of `now`."""
    body = json.dumps(_payload(delivery, notification), ensure_ascii=False).encode()
    timestamp = int(now.timestamp())
    return Call(
        url=preferences.webhook_url,
        headers={
            "Content-Type": "application/json",
            "User-Agent": "Trading-Rules",
            "Connection": "close",
            "Trading-Rules-Delivery": str(delivery.pk),
            "Trading-Rules-Timestamp": str(timestamp),
            "Trading-Rules-Signature": sign(
                secret=preferences.webhook_secret, timestamp=timestamp, body=body
            ),
        },
        body=body,
    )


def _payload(delivery: Delivery, notification: Notification) -> dict[str, Any]:
    execution = notification.execution
    return {
        "event": _event(notification),
        "delivery": str(delivery.pk),
        "notification": str(notification.pk),
        "created_at": notification.created_at.isoformat(),
        "subject": notification.subject,
        "body": notification.body,
        "rehearsal": is_rehearsal(notification),
        "rule": _rule(notification),
        "execution": _execution(execution) if execution else None,
    }


def _event(notification: Notification) -> str:
    if notification.execution:
        return f"execution.{notification.execution.execution_status}"
    if notification.action_id:
        return f"rule.{notification.kind}"
    return str(notification.kind)


def _rule(notification: Notification) -> dict[str, Any] | None:
    if notification.action_id is None:
        return None
    path = rule_path(notification.action_id)
    return {
        "id": str(notification.action_id),
        "sentence": rule_sentence(notification),
        "path": path,
        "url": absolute(path),
    }


def rule_sentence(notification: Notification) -> str:
    """The rule that it is about, in words: as it was when it fired, where it did."""
    if notification.execution:
        return str(notification.execution.details["rule"])
    action = notification.action
    return action.sentence(notification.user.zone) if action else ""


def is_rehearsal(notification: Notification) -> bool:
    """Whether the rule that it is about is a rehearsal: as it was when it fired, where it did."""
    if notification.execution:
        return notification.execution.rehearsal
    return notification.action is not None and notification.action.rehearsal


def _execution(execution: ActionExecution) -> dict[str, Any]:
    details = execution.details
    return {
        "id": str(execution.pk),
        "status": execution.execution_status,
        "triggered_at": execution.triggered_at.isoformat(),
        "reason": details["reason"],
        "error": execution.error,
        "trades": details.get("trades", []),
        "would_trade": details.get("would_trade", []),
        "cash_after": details.get("cash_after"),
    }
