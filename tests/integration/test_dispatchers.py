"""Four dispatchers and senders at once, each a process: every delivery is made and sent once."""

import os
import subprocess
import sys
from collections import Counter
from datetime import datetime

import pytest
from django.db import connection

from actions.models import Delivery, Notification
from actions.notify.outbox import Notice, tell
from actions.notify.preferences import set_webhook
from actions.receipts import Message
from tests.factories import UserFactory
from tests.receiver import receiver

PROCESSES = 4
USERS = 120
EACH = 3

DELIVER = """
import sys
from datetime import datetime
import django
django.setup()
from django.conf import settings
settings.DATABASES["default"]["NAME"] = sys.argv[1]
settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.dummy.EmailBackend"}}
settings.WEBHOOK_ALLOW_PRIVATE = True
from django.db import connection
from actions.notify import dispatch as module
from actions.notify.deliver import deliver_due
module.USERS_AT_ONCE = 5
now = datetime.fromisoformat(sys.argv[2])
connection.ensure_connection()
print("ready", flush=True)
sys.stdin.readline()
print(module.dispatch(now=now), flush=True)
sys.stdin.readline()
print(deliver_due(now=now))
"""


@pytest.mark.django_db(transaction=True)
def test_every_delivery_is_made_once_and_sent_once(now: datetime) -> None:
    with receiver() as hook:
        for _ in range(USERS):
            user = UserFactory.create()
            set_webhook(user=user, url="https://hooks.example.org/")
            message = Message("Sold", "...")
            tell(notices=[Notice(user.pk, None, message)] * EACH, now=now)
        connection.cursor().execute(
            "UPDATE notification_preferences SET webhook_url = %s", [hook.url()]
        )
        processes = [start(now) for _ in range(PROCESSES)]
        try:
            dispatch_and_send(processes)
        finally:
            for process in processes:
                process.kill()
                process.communicate()
        assert set(Delivery.objects.values_list("state", "attempts")) == {("sent", 1)}
        ids = Counter(received.headers["Trading-Rules-Delivery"] for received in hook.received)
        assert len(ids) == USERS * EACH
        assert set(ids.values()) == {1}
        assert Notification.objects.filter(dispatched_at=None).count() == 0


def dispatch_and_send(processes: "list[subprocess.Popen[str]]") -> None:
    assert [answer(process) for process in processes] == ["ready\n"] * PROCESSES
    dispatched = [int(line) for line in go(processes)]
    assert sum(dispatched) == USERS * EACH
    assert sum(1 for count in dispatched if count) > 1, "one did it all: this showed nothing"
    assert Delivery.objects.filter(channel="webhook").count() == USERS * EACH
    assert Delivery.objects.filter(channel="email").count() == USERS * EACH

    sent = [int(line) for line in go(processes)]
    assert sum(sent) == USERS * EACH * 2
    assert sum(1 for count in sent if count) > 1, "one did it all: this showed nothing"


def start(now: datetime) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", DELIVER, str(connection.settings_dict["NAME"]), now.isoformat()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    )


def go(processes: "list[subprocess.Popen[str]]") -> list[str]:
    """Has all of them take their next step at once, and returns what each has to say of it."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return [answer(process) for process in processes]


def answer(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()
