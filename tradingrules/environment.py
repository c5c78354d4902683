"""The environment variables that configure the application, checked once at start.

Every variable is a field of `Environment`: its name in capitals is the variable's name, its
description is its documentation. What is missing or malformed ends the start with one line that
names the variable and the remedy, never with a default that happens to work.
"""

import os
import re
from datetime import timedelta
from decimal import Decimal
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.core.exceptions import ValidationError as DjangoValidationError
from django.core.validators import validate_email
from pydantic import (
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from tradingrules.addresses import is_web
from tradingrules.numbers import numbers_of

BASE_DIR = Path(__file__).resolve().parent.parent
DEVELOPMENT_KEY = "development-only-key-that-production-refuses-to-start-without-replacing"

_is_host = re.compile(r"\*|\.?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|\[[0-9a-fA-F:.]+\]").fullmatch

Names = Annotated[list[str], NoDecode]
_CENT = Decimal("0.01")


class Environment(BaseSettings):
    """What the process was told by its environment, or by a `.env` file beside manage.py."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore")

    debug: bool = Field(False, description="Development mode. Off, as in production, by default.")
    secret_key: str = Field("", description="Django's signing key. Needed in production.")
    allowed_hosts: Names = Field([], description="Host names served, comma-separated.")
    csrf_trusted_origins: Names = Field(
        [], description="Origins (https://...) that a proxy in front sends, comma-separated."
    )
    database_url: str = Field(
        "", description="postgresql://user:password@host:5432/name. Needed in production."
    )
    embedded_postgres_dir: Path = Field(
        BASE_DIR / ".data" / "postgres",
        description="Where the embedded PostgreSQL keeps its data when DATABASE_URL is not set.",
    )
    embedded_postgres_fsync: bool = Field(
        True, description="Off: faster, for throw-away data such as the tests'."
    )
    market_provider: Literal["replay", "twelvedata", "alpaca"] = Field(
        "replay", description="Which feed the quotes come from: replay, twelvedata or alpaca."
    )
    market_connect_seconds: float = Field(
        3, ge=0.1, le=60, description="How long to wait for a live feed's connection."
    )
    market_read_seconds: float = Field(
        10, ge=0.1, le=60, description="How long to wait for a live feed's whole answer."
    )
    market_jump_percent: Decimal = Field(
        Decimal(20),
        ge=1,
        le=99,
        description="A live feed's price further than this from the last accepted one is held "
        "until a second quote confirms it.",
    )
    twelvedata_api_key: SecretStr = Field(
        SecretStr(""), description="Needed with MARKET_PROVIDER=twelvedata."
    )
    twelvedata_url: str = Field("https://api.twelvedata.com", description="Where its API is.")
    twelvedata_credits_per_minute: int = Field(
        8, ge=1, le=100_000, description="Of your plan with Twelve Data; the free one has 8."
    )
    twelvedata_credits_per_day: int = Field(
        800, ge=0, le=100_000_000, description="Of your plan; the free one has 800. 0: no limit."
    )
    twelvedata_stream_url: str = Field(
        "wss://ws.twelvedata.com", description="Where its stream is, for `manage.py stream`."
    )
    twelvedata_stream_symbols: int = Field(
        8, ge=1, le=10_000, description="Symbols that your plan lets it stream; the free one has 8."
    )
    alpaca_key_id: SecretStr = Field(
        SecretStr(""), description="Needed with MARKET_PROVIDER=alpaca."
    )
    alpaca_secret_key: SecretStr = Field(
        SecretStr(""), description="Needed with MARKET_PROVIDER=alpaca."
    )
    alpaca_url: str = Field("https://data.alpaca.markets", description="Where its data API is.")
    alpaca_requests_per_minute: int = Field(
        200, ge=1, le=100_000, description="Of your plan with Alpaca; the free one has 200."
    )
    tick_seconds_open: float = Field(
        10, ge=0.05, le=3600, description="Seconds between ticks while the market is open."
    )
    tick_seconds_closed: float = Field(
        30, ge=0.05, le=3600, description="Seconds between ticks while it is closed."
    )
    evaluator_shift_seconds: float = Field(
        120,
        ge=1,
        le=120,
        description="How long one evaluator job ticks before it hands over to its successor.",
    )
    lease_seconds: float = Field(
        30, ge=1, le=600, description="How long an evaluator may hold a rule."
    )
    idle_transaction_seconds: int = Field(
        30,
        ge=1,
        le=3600,
        description="How long a session may say nothing amid a transaction, or its machine not "
        "answer at all, before it is ended: its rules and its portfolio are locked no longer.",
    )
    lease_batch: int = Field(
        500, ge=1, le=10_000, description="Rules leased together, and fired in one transaction."
    )
    keep_notifications_days: int = Field(
        400,
        ge=30,
        le=36_500,
        description="How long messages are kept, read or not; what was missed is kept for ever.",
    )
    keep_conversations_days: int = Field(
        400,
        ge=30,
        le=36_500,
        description="How long a conversation of the chat is kept in which nothing is said.",
    )
    order_least_usd: Decimal = Field(
        Decimal(1),
        ge=_CENT,
        le=1_000_000,
        decimal_places=2,
        description="The smallest order, in dollars.",
    )
    order_most_usd: Decimal | None = Field(
        None,
        ge=_CENT,
        le=1_000_000_000,
        decimal_places=2,
        description="The largest order; empty: any.",
    )
    day_executions: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="Executions of rules in a portfolio and a day; empty: any number.",
    )
    day_usd: Decimal | None = Field(
        None,
        ge=_CENT,
        le=1_000_000_000,
        decimal_places=2,
        description="Dollars that rules may trade a day in a portfolio.",
    )
    email_url: str = Field(
        "",
        description="smtp://user:password@host:587 (STARTTLS) or smtps://host:465. "
        "Without it, mail is written to .data/mail in development.",
    )
    default_from_email: str = Field(
        "Trading Rules <rules@localhost>", description="Sender of e-mails."
    )
    site_url: str = Field(
        "",
        description="Where the links in e-mails lead, such as https://rules.example.org. By "
        "default http://localhost:8000 in development, in production the first of ALLOWED_HOSTS.",
    )
    trusted_proxies: int = Field(
        0,
        ge=0,
        le=10,
        description="How many proxies of your own stand in front and add to X-Forwarded-For. The "
        "address that rate limits and the lock-out count is read from it only so far.",
    )
    api_requests_per_minute: int = Field(
        600,
        ge=1,
        le=1_000_000,
        description="Of one user to the API, counted in each process by itself.",
    )
    api_tokens_per_minute: int = Field(
        20,
        ge=1,
        le=100_000,
        description="Attempts of one address to get a token, counted in the same way.",
    )
    openai_api_key: SecretStr = Field(
        SecretStr(""),
        description="Of the chat's model. Without one the chat reads plain words by itself.",
    )
    openai_base_url: str = Field(
        "https://api.openai.com/v1",
        description="Where the model is: any server that speaks like OpenAI's.",
    )
    openai_model: str = Field("gpt-4.1-mini", description="Which model the chat asks.")
    openai_seconds: float = Field(
        25,
        ge=0.1,
        le=300,
        description="How long one answer of the chat may take, retries included.",
    )
    openai_turn_tokens: int = Field(
        30_000,
        ge=1,
        le=10_000_000,
        description="Tokens that one answer of the chat may take, in and out.",
    )
    openai_input_usd: Decimal = Field(
        Decimal(0),
        ge=0,
        le=10_000,
        description="What a million tokens sent cost. 0: costs are not recorded.",
    )
    openai_output_usd: Decimal = Field(
        Decimal(0), ge=0, le=10_000, description="What a million tokens answered cost."
    )
    chat_messages_per_day: int = Field(
        200,
        ge=1,
        le=100_000,
        description="Messages that one user may send to the chat in 24 hours.",
    )
    operators_email: Names = Field(
        [],
        description="Addresses, comma-separated, that are told when something stays wrong with the "
        "site, and when it is over.",
    )
    operators_after_minutes: float = Field(
        5, ge=0.01, le=1440, description="For how long it must be wrong, or well again, for that."
    )
    metrics_token: SecretStr = Field(
        SecretStr(""),
        description="Whoever sends it as a bearer token may scrape /metrics. Without one, only "
        "programs on this machine may.",
    )
    webhook_allow_private: bool = Field(
        False,
        description="Lets webhooks call private and loopback addresses, and by plain http: for "
        "an installation whose users may reach everything that its network reaches.",
    )

    @field_validator("allowed_hosts", "csrf_trusted_origins", "operators_email", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return value

    @field_validator("operators_email")
    @classmethod
    def _are_addresses(cls, value: list[str]) -> list[str]:
        for address in value:
            try:
                validate_email(address)
            except DjangoValidationError:
                raise ValueError("Write addresses such as ops@example.org.") from None
        return value

    @field_validator("allowed_hosts")
    @classmethod
    def _are_hosts(cls, value: list[str]) -> list[str]:
        if not all(map(_is_host, value)):
            raise ValueError("Write names such as rules.example.org, without scheme and port.")
        return value

    @field_validator("csrf_trusted_origins")
    @classmethod
    def _are_origins(cls, value: list[str]) -> list[str]:
        if not all(is_web(origin) and not urlsplit(origin).path for origin in value):
            raise ValueError("Write origins such as https://rules.example.org.")
        return value

    @field_validator("default_from_email")
    @classmethod
    def _is_a_sender(cls, value: str) -> str:
        try:
            validate_email(parseaddr(value)[1])
        except DjangoValidationError:
            value = ""
        if not value.isprintable() or not value:
            raise ValueError("Write it as Trading Rules <rules@example.org>.")
        return value

    @field_validator("site_url")
    @classmethod
    def _is_a_site(cls, value: str) -> str:
        if value and not is_web(value):
            raise ValueError("Write it as https://rules.example.org.")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _production_is_complete(self) -> Self:
        if self.debug:
            self.secret_key = self.secret_key or DEVELOPMENT_KEY
            self.site_url = self.site_url or "http://localhost:8000"
            return self
        if self.secret_key == DEVELOPMENT_KEY:
            self.secret_key = ""  # everybody knows it
        needed = ("secret_key", "allowed_hosts", "database_url")
        missing = [name.upper() for name in needed if not getattr(self, name)]
        if missing:
            raise ValueError(
                f"{', '.join(missing)} must be set in production. "
                "For development set DEBUG=true, or run `make setup`, which writes it to .env."
            )
        host = self.allowed_hosts[0].removeprefix(".")
        if not self.site_url and host == "*":
            raise ValueError("SITE_URL must be set where ALLOWED_HOSTS names no host first.")
        self.site_url = self.site_url or f"https://{host}"
        return self

    @field_validator("twelvedata_url", "twelvedata_stream_url", "alpaca_url", "openai_base_url")
    @classmethod
    def _keeps_keys_secret(cls, value: str, field: ValidationInfo) -> str:
        parts = urlsplit(value)
        _ = parts.port  # raises ValueError for one that is none
        local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
        secure = "wss" if field.field_name == "twelvedata_stream_url" else "https"
        if not parts.hostname or parts.scheme not in {secure, secure[:-1] if local else secure}:
            raise ValueError(
                f"must begin with {secure}://, so that the key stays secret on its way."
            )
        return value

    @model_validator(mode="after")
    def _some_order_is_possible(self) -> Self:
        if self.order_most_usd is not None and self.order_most_usd < self.order_least_usd:
            raise ValueError("ORDER_MOST_USD must not be less than ORDER_LEAST_USD.")
        return self

    @model_validator(mode="after")
    def _feed_has_its_keys(self) -> Self:
        keys = {
            "twelvedata": ("twelvedata_api_key",),
            "alpaca": ("alpaca_key_id", "alpaca_secret_key"),
        }
        for name in keys.get(self.market_provider, ()):
            key = getattr(self, name).get_secret_value()
            if not key:
                raise ValueError(
                    f"{name.upper()} must be set with MARKET_PROVIDER={self.market_provider}. "
                    "MARKET_PROVIDER=replay needs no key."
                )
            _check_key(name, key)
        return self

    @model_validator(mode="after")
    def _model_has_a_key_that_can_be_sent(self) -> Self:
        _check_key("openai_api_key", self.openai_api_key.get_secret_value())
        return self

    @property
    def lease(self) -> timedelta:
        return timedelta(seconds=self.lease_seconds)


def read_environment() -> Environment:
    """The checked environment. Raises ImproperlyConfigured with one line for all that is wrong.

    ENV_FILE names another file than `.env`; with /dev/null a process sees only what it is given.
    """
    env_file = Path(os.environ.get("ENV_FILE", BASE_DIR / ".env"))
    if "ENV_FILE" in os.environ and (env_file.is_dir() or not env_file.exists()):
        raise ImproperlyConfigured(f"ENV_FILE={str(env_file)!r} is no file. Name one, or unset it.")
    try:
        return Environment(_env_file=env_file)
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(f"{env_file} cannot be read: {error}.") from None
    except ValidationError as invalid:
        raise ImproperlyConfigured("; ".join(map(_in_words, invalid.errors()))) from None


def _check_key(name: str, key: str) -> None:
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise ValueError(f"{name.upper()} has characters that no key has.")


def _in_words(error: Any) -> str:
    name = ".".join(str(part) for part in error["loc"]).upper()
    field = Environment.model_fields.get(name.lower())
    numbers = numbers_of(field) if field else ""
    reason = f"Use {numbers}." if numbers else error["msg"].removeprefix("Value error, ")
    # The value is named only where there is one variable to name: a whole-model error carries
    # every value, secrets included.
    return f"{name}={error['input']!r}: {reason}" if name else reason
