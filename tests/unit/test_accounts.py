import uuid
import zoneinfo

import pytest
from django.core.exceptions import ValidationError

from accounts.models import User, validate_time_zone


@pytest.mark.parametrize("name", ["UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata"])
def test_an_iana_zone_is_a_time_zone(name: str) -> None:
    validate_time_zone(name)


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "EST5", "europe/berlin", "../etc/passwd"])
def test_anything_else_is_refused_in_words(name: str) -> None:
    with pytest.raises(ValidationError) as refused:
        validate_time_zone(name)
    assert refused.value.messages == [
        f"“{name}” is not a time zone. Use an IANA name such as America/New_York."
    ]


def test_the_model_field_asks_the_validator() -> None:
    field = User._meta.get_field("time_zone")
    with pytest.raises(ValidationError, match="is not a time zone"):
        field.clean("Mars/Olympus", None)


def test_a_user_is_known_by_a_uuid_before_being_saved() -> None:
    one, other = User(), User()
    assert isinstance(one.pk, uuid.UUID)
    assert one.pk != other.pk


def test_a_user_reads_the_clock_in_the_own_zone() -> None:
    assert User().zone == zoneinfo.ZoneInfo("UTC")
    assert User(time_zone="Europe/Berlin").zone == zoneinfo.ZoneInfo("Europe/Berlin")
