"""Who signs in."""

import uuid
import zoneinfo

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.functions import RandomUUID
from django.contrib.postgres.indexes import OpClass
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower, Upper

from rest.scopes import Scope


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
        permissions = [("unlock_user", "Can let somebody try again who is locked out")]
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


class ApiToken(models.Model):
    """A key with which a program calls the API as its user, no further than its scope.

    The key itself is shown once, when it is made; `digest` is what is kept of it.
    """

    class Scopes(models.TextChoices):
        READ = Scope.READ, "Read only"
        RULES = Scope.RULES, "Read, and write rules"
        TRADE = Scope.TRADE, "Read, write rules, and trade"

    id = models.UUIDField(
        primary_key=True, default=uuid.uuid4, db_default=RandomUUID(), editable=False
    )
    user = models.ForeignKey(User, models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=60)
    scope = models.TextField(choices=Scopes.choices)
    digest = models.BinaryField(max_length=32, unique=True, help_text="SHA-256 of the key.")
    ending = models.CharField(max_length=4, help_text="The key's last characters, to know it by.")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="To the minute.")

    class Meta:
        db_table = "api_tokens"
        verbose_name = "API token"
        verbose_name_plural = "API tokens"
        constraints = [
            models.UniqueConstraint("user", Lower("name"), name="api_token_name"),
            models.CheckConstraint(
                name="api_token_scope", condition=models.Q(scope__in=[one.value for one in Scope])
            ),
            models.CheckConstraint(
                name="api_token_span",
                condition=models.Q(expires_at__gt=models.F("created_at")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} (…{self.ending})"
