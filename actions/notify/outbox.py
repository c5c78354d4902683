"""Queues what is to be told, in the caller's transaction."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from actions.receipts import Message
from market.arrays import instant_array, plain_array, text_array, uuid_array
from market.bulk import send

LONGEST_SUBJECT = 200

# The keys are the database's to make.
_TELL = """
INSERT INTO notifications
       (user_id, action_id, execution_id, kind, subject, body, ends_at, created_at)
SELECT notice.*, %s
  FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[],
              %s::timestamptz[]) AS notice
"""

# An end that was announced already is passed over. To look for it costs other notices a tenth.
_ANNOUNCE = f"""{_TELL}
    ON CONFLICT (action_id, ends_at) WHERE ends_at IS NOT NULL DO NOTHING
"""


class Notice(NamedTuple):
    """Something to tell a user: of an execution of a rule, of the rule itself, or of neither.

    `ends_at` is the end of the rule that the notice announces, where it does: such a notice is told
    once for each end.
    """

    user_id: UUID
    action_id: UUID | None
    message: Message
    execution_id: UUID | None = None
    ends_at: datetime | None = None


def tell(*, notices: Iterable[Notice], now: datetime) -> None:
    """Tells each user in the app; the dispatcher decides later how else. One statement, or none.

    Belongs in the transaction that gives cause for it: what is rolled back was never told.
    """
    notices = list(notices)
    if not notices:
        return
    messages = [notice.message for notice in notices]
    columns = [
        uuid_array(notice.user_id for notice in notices),
        uuid_array(notice.action_id for notice in notices),
        uuid_array(notice.execution_id for notice in notices),
        plain_array(message.kind.value for message in messages),
        text_array(message.subject[:LONGEST_SUBJECT] for message in messages),
        text_array(message.body for message in messages),
        instant_array(notice.ends_at for notice in notices),
    ]
    announced = any(notice.ends_at for notice in notices)
    send(_ANNOUNCE if announced else _TELL, [now, *columns])
