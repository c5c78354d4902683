"""What is missing or malformed in the environment ends the start with one line that helps."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from market.services import quote_max_age
from tradingrules.addresses import database_from_url, hide_password, mailer_from_url
from tradingrules.environment import BASE_DIR, DEVELOPMENT_KEY, Environment, read_environment

PRODUCTION = {
    "SECRET_KEY": "a-key-of-production",
    "ALLOWED_HOSTS": "rules.example.org, www.example.org",
    "DATABASE_URL": "postgresql://rules:pa55word@db.example.org:5433/rules?sslmode=require",
}


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Environment.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PRODUCTION.items():
        monkeypatch.setenv(name, value)


def manage(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs manage.py in an environment with these variables and none of the application's else."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=BASE_DIR,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "tradingrules.settings"} | variables,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_production_names_everything_that_is_missing() -> None:
    with pytest.raises(ImproperlyConfigured) as refusal:
        read_environment()
    assert str(refusal.value).startswith("SECRET_KEY, ALLOWED_HOSTS, DATABASE_URL must be set")
    assert "make setup" in str(refusal.value)


@pytest.mark.usefixtures("production")
@pytest.mark.parametrize("name", PRODUCTION)
@pytest.mark.parametrize("how", ["unset", "empty"])
def test_production_starts_with_no_variable_less(
    name: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(name) if how == "unset" else monkeypatch.setenv(name, "")
    with pytest.raises(ImproperlyConfigured) as refusal:
        read_environment()
    assert str(refusal.value).startswith(f"{name} must be set")
    assert "pa55word" not in str(refusal.value)


@pytest.mark.usefixtures("production")
def test_production_does_not_sign_with_the_key_that_everybody_knows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SECRET_KEY", DEVELOPMENT_KEY)
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY must be set in production"):
        read_environment()


@pytest.mark.usefixtures("production")
def test_production_starts_when_complete() -> None:
    environment = read_environment()
    assert not environment.debug
    assert environment.allowed_hosts == ["rules.example.org", "www.example.org"]


def test_development_needs_nothing_but_to_be_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEBUG", "true")
    environment = read_environment()
    assert environment.secret_key
    assert environment.database_url == ""


@pytest.mark.usefixtures("production")
def test_links_lead_to_the_first_host_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert read_environment().site_url == "https://rules.example.org"
    monkeypatch.setenv("ALLOWED_HOSTS", ".example.org")
    assert read_environment().site_url == "https://example.org"
    monkeypatch.setenv("SITE_URL", "https://here.example.org/")
    assert read_environment().site_url == "https://here.example.org"


@pytest.mark.usefixtures("production")
def test_links_need_a_site_where_any_host_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_HOSTS", "*")
    with pytest.raises(ImproperlyConfigured, match="SITE_URL must be set"):
        read_environment()


@pytest.mark.usefixtures("production")
def test_webhooks_into_the_own_network_must_be_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_environment().webhook_allow_private is False
    monkeypatch.setenv("WEBHOOK_ALLOW_PRIVATE", "true")
    assert read_environment().webhook_allow_private is True


@pytest.mark.usefixtures("production")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SITE_URL", "rules.example.org"),
        ("SITE_URL", "ftp://rules.example.org"),
        ("SITE_URL", "https://rules.example.org:https"),
        ("SITE_URL", "https://ada:secret@rules.example.org"),
        ("ALLOWED_HOSTS", "https://rules.example.org"),
        ("ALLOWED_HOSTS", "rules.example.org:443"),
        ("CSRF_TRUSTED_ORIGINS", "rules.example.org"),
        ("CSRF_TRUSTED_ORIGINS", "https://rules.example.org/"),
        ("DEFAULT_FROM_EMAIL", "nonsense"),
        ("DEFAULT_FROM_EMAIL", "rules@example.org\nBcc: eve@example.org"),
        ("MARKET_PROVIDER", "bloomberg"),
        ("TWELVEDATA_URL", "https://api.twelvedata.com:99999"),
        ("WEBHOOK_ALLOW_PRIVATE", "perhaps"),
        ("DEBUG", "perhaps"),
        ("TICK_SECONDS_OPEN", "ten"),
        ("MARKET_JUMP_PERCENT", "100"),
        ("TWELVEDATA_CREDITS_PER_MINUTE", "0"),
        ("TWELVEDATA_URL", "http://api.twelvedata.com"),
        ("OPENAI_BASE_URL", "http://api.example.org/v1"),
        ("OPENAI_SECONDS", "0"),
        ("TWELVEDATA_STREAM_URL", "ws://ws.twelvedata.com"),
        ("TWELVEDATA_STREAM_URL", "https://ws.twelvedata.com"),
        ("TWELVEDATA_STREAM_SYMBOLS", "0"),
        ("ALPACA_URL", "data.alpaca.markets"),
        ("TICK_SECONDS_CLOSED", "0"),
        ("LEASE_SECONDS", "-1"),
        ("LEASE_SECONDS", "nan"),
        ("LEASE_BATCH", "1.5"),
    ],
)
def test_a_malformed_variable_names_itself_and_its_value(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured) as refusal:
        read_environment()
    assert str(refusal.value).startswith(f"{name}={value!r}: ")
    assert "\n" not in str(refusal.value)


@pytest.mark.usefixtures("production")
def test_every_malformed_variable_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEASE_BATCH", "many")
    monkeypatch.setenv("LEASE_SECONDS", "long")
    with pytest.raises(ImproperlyConfigured, match=r"LEASE_SECONDS='long'.*LEASE_BATCH='many'"):
        read_environment()


@pytest.mark.parametrize(
    "url",
    [
        "mysql://rules:pa55word@db/rules",
        "postgresql://rules:pa55word@db",
        "postgresql://rules:pa55word@db:port/rules",
        "postgresql://rules:pa55word@db:99999/rules",
        "postgresql://rules:pa55word@db/rules?no_such_option=1",
        "postgresql://rules@db/?password=pa55word",
        "postgresql://rules:pa55w@rd:pa55word@db:x/rules",
        "postgresql:/rules:pa55word@db/rules",
        "postgres//rules:pa55word@db/rules",
        "rules:pa55word@db/rules",
        "host=db password=pa55word dbname=rules",
        "host=db password = 'pa55word' dbname=rules",
        "postgresql://rules:pa55word",
    ],
)
def test_a_malformed_address_is_shown_without_its_password(url: str) -> None:
    with pytest.raises(ImproperlyConfigured) as refusal:
        database_from_url(url)
    words = str(refusal.value)
    assert words.startswith("DATABASE_URL='")
    assert "Expected postgresql://user:password@host:5432/name." in words
    assert "***" in words
    assert "pa55w" not in words
    assert "\n" not in words


def test_an_address_becomes_djangos_settings() -> None:
    assert database_from_url(PRODUCTION["DATABASE_URL"]) == {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "rules",
        "USER": "rules",
        "PASSWORD": "pa55word",
        "HOST": "db.example.org",
        "PORT": "5433",
        "OPTIONS": {"sslmode": "require"},
    }


def test_an_address_without_a_password_is_shown_as_it_is() -> None:
    assert hide_password("postgresql://db/rules") == "postgresql://db/rules"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mail.example.org",
        "http://mail",
        "smtp://",
        "smtp://mail:port",
        "smtp://ada:pa55word@mail:smtp",
        "smtp://mail:99999",
        "smtp://mail:0",
        "smtp://[mail:25",
        "smtps://rules:pa55word@:465",
    ],
)
def test_an_address_of_no_mail_server_is_refused_with_the_form_that_is_expected(url: str) -> None:
    with pytest.raises(ImproperlyConfigured) as refusal:
        mailer_from_url(url)
    assert str(refusal.value) == (
        "EMAIL_URL must look like smtp://user:password@host:587 or smtps://host:465."
    )


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("smtp://mail", {"host": "mail", "port": 25, "use_tls": False, "use_ssl": False}),
        ("smtps://mail", {"host": "mail", "port": 465, "use_tls": False, "use_ssl": True}),
        (
            "smtp://rules%40example.org:pa%2F55@mail:587",
            {"port": 587, "username": "rules@example.org", "password": "pa/55", "use_tls": True},
        ),
    ],
)
def test_a_mail_servers_address_becomes_djangos_settings(
    url: str, options: dict[str, object]
) -> None:
    found = mailer_from_url(url)["OPTIONS"]
    assert found | options == found


def test_manage_ends_with_one_line_when_the_environment_is_wrong() -> None:
    refused = manage("check")
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert refused.stderr.startswith("manage.py: SECRET_KEY, ALLOWED_HOSTS, DATABASE_URL must be")
    assert refused.stderr.count("\n") == 1


@pytest.mark.usefixtures("production")
def test_the_largest_order_is_no_smaller_than_the_smallest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ORDER_MOST_USD", "0.50")
    with pytest.raises(ImproperlyConfigured, match=r"^ORDER_MOST_USD must not be less"):
        read_environment()


@pytest.mark.usefixtures("production")
@pytest.mark.parametrize(
    ("written", "words"), [(None, "is no file"), (b"DEBUG=\xff", "cannot be read")]
)
def test_a_file_of_variables_that_is_named_is_read(
    written: bytes | None, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "environment"
    if written:
        place.write_bytes(written)
    monkeypatch.setenv("ENV_FILE", str(place))
    with pytest.raises(ImproperlyConfigured, match=words):
        read_environment()


@pytest.mark.parametrize("name", ["replay", "twelvedata", "alpaca"])
def test_each_feed_that_can_be_named_is_there(name: str, settings: Settings) -> None:
    settings.MARKET_PROVIDER = name
    assert quote_max_age()


def test_manage_ends_with_one_line_when_the_address_is_wrong() -> None:
    refused = manage("check", **PRODUCTION | {"DATABASE_URL": "postgresql://rules:pa55word@db"})
    assert refused.returncode == 1
    assert refused.stderr.startswith("manage.py: DATABASE_URL='postgresql://rules:***@db' is not")
    assert refused.stderr.count("\n") == 1


def test_manage_ends_with_one_line_when_the_embedded_database_cannot_be(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    refused = manage("showmigrations", DEBUG="true", EMBEDDED_POSTGRES_DIR=f"{in_the_way}/postgres")
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"manage.py: Cannot open {in_the_way}/postgres.lock")
    assert refused.stderr.count("\n") == 1


def test_the_embedded_database_is_not_used_beside_another() -> None:
    refused = manage("postgres", "start", **PRODUCTION)
    assert refused.returncode == 1
    assert "DATABASE_URL is set, so the embedded PostgreSQL is not used." in refused.stderr


def test_asking_for_the_state_starts_no_database(tmp_path: Path) -> None:
    place = str(tmp_path / "postgres")
    asked = manage("postgres", "status", DEBUG="true", EMBEDDED_POSTGRES_DIR=place)
    assert asked.returncode == 3
    assert "PostgreSQL is not running." in asked.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("production")
@pytest.mark.parametrize(
    ("provider", "name"),
    [
        ("twelvedata", "TWELVEDATA_API_KEY"),
        ("alpaca", "ALPACA_KEY_ID"),
        ("alpaca", "ALPACA_SECRET_KEY"),
    ],
)
@pytest.mark.parametrize("key", [None, "", "k3y with spaces", "k3y\nk3y", "k3y\u00e9"])
def test_a_live_feed_starts_with_its_keys_or_not_at_all(
    provider: str, name: str, key: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKET_PROVIDER", provider)
    for other in ("TWELVEDATA_API_KEY", "ALPACA_KEY_ID", "ALPACA_SECRET_KEY"):
        monkeypatch.setenv(other, "k3y")
    if key is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, key)
    with pytest.raises(ImproperlyConfigured) as refusal:
        read_environment()
    assert str(refusal.value).startswith(f"{name} ")
    assert "k3y" not in str(refusal.value)


@pytest.mark.usefixtures("production")
def test_a_key_is_not_in_what_the_environment_says_of_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TWELVEDATA_API_KEY", "k3y")
    monkeypatch.setenv("MARKET_PROVIDER", "twelvedata")
    environment = read_environment()
    assert environment.twelvedata_api_key.get_secret_value() == "k3y"
    assert "k3y" not in repr(environment)


@pytest.mark.usefixtures("production")
def test_a_models_key_that_cannot_be_sent_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-s3cret\nline")
    with pytest.raises(ImproperlyConfigured, match="OPENAI_API_KEY has characters") as refusal:
        read_environment()
    assert "s3cret" not in str(refusal.value)
