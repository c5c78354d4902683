"""What the embedded PostgreSQL raises."""


class EmbeddedPostgresError(RuntimeError):
    """The embedded server cannot be used. The message says why and what to do about it."""
