"""Decides how what was told in the app is also sent: by e-mail, to a webhook, at once or later.

One e-mail for each notification; but a user for whom more than a few are waiting gets one digest of
them all. A webhook gets each notification by itself: machines want each.
"""

from dataclasses import dataclass
from datetime import datetime, time
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from actions.notify.quiet import end_of_quiet
from market.arrays import instant_array, plain_array

MOST_SINGLE_EMAILS = 5  # more than so many waiting for one user become one digest
USERS_AT_ONCE = 500

# A user's notifications are dispatched by whoever holds the user's row, all of them at once; the
# lock is one that firings, which refer to the row, do not wait for.
_CLAIM = """
SELECT u.id, u.time_zone,
       u.is_active AND u.email <> '' AND COALESCE(p.email_on, true),
       u.is_active AND COALESCE(p.webhook_on, false),
       p.quiet_from, p.quiet_until
  FROM accounts_user u LEFT JOIN notification_preferences p ON p.user_id = u.id
 WHERE u.id IN (SELECT user_id FROM notifications WHERE dispatched_at IS NULL)
 LIMIT %s
   FOR NO KEY UPDATE OF u SKIP LOCKED
"""

# `waiting` are e-mails that no sender has taken yet, such as those of quiet hours: with what is
# fresh they may become one digest. It takes over one of them where there is one, so that a digest
# that waits is added to and not written anew.
_DISPATCH = """
WITH way AS (
    SELECT *
      FROM unnest(%(users)s::uuid[], %(by_email)s::boolean[], %(by_webhook)s::boolean[],
                  %(send_at)s::timestamptz[]) AS way(user_id, by_email, by_webhook, send_at)
), fresh AS (
    SELECT n.id, way.*
      FROM notifications n JOIN way USING (user_id)
     WHERE n.dispatched_at IS NULL
), waiting AS (
    SELECT d.id, way.user_id, way.send_at
      FROM deliveries d JOIN way USING (user_id)
     WHERE d.state = 'pending' AND d.channel = 'email' AND d.attempts = 0 AND way.by_email
       FOR UPDATE OF d SKIP LOCKED
), letters AS MATERIALIZED (
    SELECT id, user_id, send_at, NULL::uuid AS held, gen_random_uuid() AS envelope
      FROM fresh WHERE by_email
     UNION ALL
    SELECT n.id, w.user_id, w.send_at, w.id, w.id
      FROM waiting w JOIN notifications n ON n.email_id = w.id
), mailed AS MATERIALIZED (
    SELECT id, user_id, send_at, held,
           CASE WHEN count(*) OVER (PARTITION BY user_id) > %(most)s
                THEN first_value(envelope) OVER (PARTITION BY user_id ORDER BY held)
                ELSE envelope END AS envelope
      FROM letters
), called AS MATERIALIZED (
    SELECT id, user_id, gen_random_uuid() AS envelope FROM fresh WHERE by_webhook
), put AS (
    INSERT INTO deliveries (id, user_id, channel, created_at, next_attempt_at, give_up_at)
    SELECT DISTINCT envelope, user_id, 'email', %(now)s, send_at, send_at + interval '24 hours'
      FROM mailed WHERE envelope NOT IN (SELECT id FROM waiting)
     UNION ALL
    SELECT envelope, user_id, 'webhook', %(now)s, %(now)s, %(now)s + interval '24 hours'
      FROM called
), emptied AS (
    DELETE FROM deliveries
     WHERE id IN (SELECT id FROM waiting) AND id NOT IN (SELECT envelope FROM mailed)
)
UPDATE notifications n
   SET dispatched_at = COALESCE(n.dispatched_at, %(now)s),
       email_id = COALESCE(mailed.envelope, n.email_id),
       webhook_id = COALESCE(called.envelope, n.webhook_id)
  FROM (SELECT id FROM fresh
         UNION
        SELECT id FROM mailed WHERE envelope <> held) AS moved
       LEFT JOIN mailed USING (id)
       LEFT JOIN called USING (id)
 WHERE n.id = moved.id
"""


@dataclass(frozen=True, slots=True)
class _Way:
    """How one user is to be told; e-mails wait until `send_at`."""

    user_id: UUID
    by_email: bool
    by_webhook: bool
    send_at: datetime


def dispatch(*, now: datetime) -> int:
    """Decides of all notifications that are new how they are sent. Returns how many it assigned,
    those included that moved into a digest.

    Any number may dispatch at once: each delivery is made once. E-mails wait for the end of their
    user's quiet hours; webhooks are for machines, which do not sleep.
    """
    assigned = 0
    while (some := _dispatch_some(now)) is not None:
        assigned += some
    return assigned


@transaction.atomic
def _dispatch_some(now: datetime) -> int | None:
    """How many notifications of some users it assigned; None where no user is left to claim."""
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, [USERS_AT_ONCE])
        ways = [_way(now, *row) for row in cursor.fetchall()]
        if not ways:
            return None
        # A statement of its own: it sees what others dispatched before we had the locks.
        cursor.execute(
            _DISPATCH,
            {
                "users": plain_array(way.user_id for way in ways),
                "by_email": plain_array(way.by_email for way in ways),
                "by_webhook": plain_array(way.by_webhook for way in ways),
                "send_at": instant_array(way.send_at for way in ways),
                "most": MOST_SINGLE_EMAILS,
                "now": now,
            },
        )
        return int(cursor.rowcount)


def _way(
    now: datetime,
    user_id: UUID,
    time_zone: str,
    by_email: bool,
    by_webhook: bool,
    quiet_from: time | None,
    quiet_until: time | None,
) -> _Way:
    quiet_end = None
    if quiet_from is not None and quiet_until is not None:
        quiet_end = end_of_quiet(now, zone=ZoneInfo(time_zone), begin=quiet_from, end=quiet_until)
    return _Way(user_id, by_email, by_webhook, send_at=quiet_end or now)
