"""Who signs in."""

import uuid
import zoneinfo

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.functions import RandomUUID
from django.contrib.postgres.indexes import OpClass
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Upper


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

    class Meta(AbstractUser.Meta):
        # Support looks for people by how their name or their e-mail begins, in any case.
        indexes = [
            models.Index(OpClass(Upper("email"), name="text_pattern_ops"), name="user_email_idx"),
            models.Index(OpClass(Upper("username"), name="text_pattern_ops"), name="user_name_idx"),
            models.Index(
                fields=["username"], name="user_staff_idx", condition=models.Q(is_staff=True)
            ),
        ]

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.time_zone)
