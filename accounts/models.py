"""Who signs in."""

import uuid
import zoneinfo

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.functions import RandomUUID
from django.core.exceptions import ValidationError
from django.db import models


def validate_time_zone(name: str) -> None:
    """Raises ValidationError unless `name` is a zone of the IANA database."""
    if name not in zoneinfo.available_timezones():
        raise ValidationError(
            "“%(name)s” is not a time zone. Use an IANA name such as America/New_York.",
            code="time_zone",
            params={"name": name},
        )


class User(AbstractUser):
    """A person who holds portfolios and writes rules, or who supports those who do."""

    id = models.UUIDField(
        primary_key=True, default=uuid.uuid4, db_default=RandomUUID(), editable=False
    )
    time_zone = models.CharField(
        max_length=64,
        default="UTC",
        db_default="UTC",
        validators=[validate_time_zone],
        help_text="The zone in which times are shown and dates are read, such as Europe/Berlin.",
    )

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.time_zone)
