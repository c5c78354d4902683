"""Who waits for whose lock, as PostgreSQL knows it."""

from django.db import connection


def somebody_waits_for(pid: int) -> bool:
    """Whether a session of whichever database waits for a lock that this one has."""
    with connection.cursor() as cursor:
        # Not pg_stat_activity, of which a transaction sees one snapshot.
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks"
            " WHERE NOT granted AND %s = ANY (pg_blocking_pids(pid)))",
            [pid],
        )
        (waits,) = cursor.fetchone()
    return bool(waits)
