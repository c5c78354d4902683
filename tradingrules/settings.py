"""Django's settings, all of them, read from the environment (see environment.py for each)."""

from typing import Any
from urllib.parse import unquote, urlsplit

import django_stubs_ext
from django.core.exceptions import ImproperlyConfigured
from django.utils.csp import CSP

from portfolios.limits import Limits
from tradingrules.environment import BASE_DIR, database_from_url, read_environment

django_stubs_ext.monkeypatch()
environment = read_environment()

DEBUG = environment.debug
SECRET_KEY = environment.secret_key
ALLOWED_HOSTS = environment.allowed_hosts or ["localhost", "127.0.0.1", "[::1]"]
CSRF_TRUSTED_ORIGINS = environment.csrf_trusted_origins

INSTALLED_APPS = [
    "accounts",
    "market",
    "portfolios",
    "actions",
    "chat",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_htmx",
    "django_q",
    "tradingrules",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

if not DEBUG:  # in development, runserver serves the static files itself
    MIDDLEWARE.insert(2, "whitenoise.middleware.WhiteNoiseMiddleware")

ROOT_URLCONF = "tradingrules.urls"
WSGI_APPLICATION = "tradingrules.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Database: PostgreSQL, always ---

# A process that hangs amid a transaction holds its rules and its portfolio until PostgreSQL ends
# its session. Whoever waits for a lock gives up before that, and tries again.
_SESSION = (
    f"-c idle_in_transaction_session_timeout={environment.idle_transaction_seconds}s "
    "-c lock_timeout=15s"
)

EMBEDDED_POSTGRES_DIR = environment.embedded_postgres_dir
EMBEDDED_POSTGRES_FSYNC = environment.embedded_postgres_fsync
DATABASES: dict[str, dict[str, Any]] = {
    "default": (
        database_from_url(environment.database_url)
        if environment.database_url
        else {"ENGINE": "tradingrules.embedded", "NAME": "tradingrules"}
    )
    # Long-lived connections, never psycopg's pool: the cluster forks, and a pool does not survive.
    | {"CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True}
}
_options = DATABASES["default"].setdefault("OPTIONS", {})
_options["options"] = (
    f"{_SESSION} {_options.get('options', '')}".rstrip()
)  # the address has the last word
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Accounts ---

AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "actions"
LOGOUT_REDIRECT_URL = "login"

# --- Language, time, files ---

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

# --- Security ---

SECURE_CSP = {
    "default-src": [CSP.NONE],
    "script-src": [CSP.SELF],
    "style-src": [CSP.SELF],
    "img-src": [CSP.SELF, "data:"],
    "font-src": [CSP.SELF],
    "connect-src": [CSP.SELF],
    "form-action": [CSP.SELF],
    "base-uri": [CSP.NONE],
    "frame-ancestors": [CSP.NONE],
}
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if not DEBUG:
    SECURE_SSL_REDIRECT = True
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True

# --- Mail ---

DEFAULT_FROM_EMAIL = environment.default_from_email


def _mailer(url: str) -> dict[str, Any]:
    if not url and DEBUG:
        return {
            "BACKEND": "django.core.mail.backends.filebased.EmailBackend",
            "OPTIONS": {"file_path": BASE_DIR / ".data" / "mail"},
        }
    parts = urlsplit(url or "smtp://localhost:25")
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
        raise ImproperlyConfigured(
            "EMAIL_URL must look like smtp://user:password@host:587 or smtps://host:465."
        )
    return {
        "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "OPTIONS": {
            "host": parts.hostname,
            "port": parts.port or (465 if parts.scheme == "smtps" else 25),
            "username": unquote(parts.username or ""),
            "password": unquote(parts.password or ""),
            "use_ssl": parts.scheme == "smtps",
            "use_tls": parts.scheme == "smtp" and bool(parts.username),
            "timeout": 10,
        },
    }


MAILERS = {"default": _mailer(environment.email_url)}

# --- Telling people ---

SITE_URL = environment.site_url
WEBHOOK_ALLOW_PRIVATE = environment.webhook_allow_private

# --- The market and the evaluator ---

MARKET_PROVIDER = environment.market_provider
MARKET_CONNECT_SECONDS = environment.market_connect_seconds
MARKET_READ_SECONDS = environment.market_read_seconds
MARKET_JUMP_PERCENT = environment.market_jump_percent
TWELVEDATA_API_KEY = environment.twelvedata_api_key.get_secret_value()
TWELVEDATA_URL = environment.twelvedata_url
TWELVEDATA_CREDITS_PER_MINUTE = environment.twelvedata_credits_per_minute
TWELVEDATA_CREDITS_PER_DAY = environment.twelvedata_credits_per_day
ALPACA_KEY_ID = environment.alpaca_key_id.get_secret_value()
ALPACA_SECRET_KEY = environment.alpaca_secret_key.get_secret_value()
ALPACA_URL = environment.alpaca_url
ALPACA_REQUESTS_PER_MINUTE = environment.alpaca_requests_per_minute
TICK_SECONDS_OPEN = environment.tick_seconds_open
TICK_SECONDS_CLOSED = environment.tick_seconds_closed
EVALUATOR_SHIFT_SECONDS = environment.evaluator_shift_seconds
LEASE_SECONDS = environment.lease_seconds
LEASE_BATCH = environment.lease_batch
SITE_LIMITS = Limits(  # no portfolio's own limits are wider
    order_least=environment.order_least_usd,
    order_most=environment.order_most_usd,
    day_executions=environment.day_executions,
    day_usd=environment.day_usd,
)

_TASK_TIMEOUT = 180  # seconds: an evaluator's shift, with room for a tick that runs long
_WORKERS = 2
_QUEUE_LIMIT = 4
Q_CLUSTER = {
    "name": "tradingrules",
    "orm": "default",
    "workers": _WORKERS,
    "queue_limit": _QUEUE_LIMIT,
    "timeout": _TASK_TIMEOUT,
    # A task taken off the queue but not begun must not come back while it waits for a worker.
    "retry": _TASK_TIMEOUT * (3 + _QUEUE_LIMIT // _WORKERS),
    "max_attempts": 1,
    "ack_failures": True,
    "catch_up": False,
    "save_limit": 50,
    "recycle": 200,
    "poll": 0.5,
    "label": "Task queue",
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {"django-q": {"level": "WARNING"}, "django.server": {"level": "WARNING"}},
}
