"""Django's settings, all of them, read from the environment (see environment.py for each)."""

import sys
from datetime import timedelta
from typing import Any

import django_stubs_ext
from django.utils.csp import CSP

from portfolios.limits import Limits
from tradingrules.addresses import database_from_url, mailer_from_url, with_limits
from tradingrules.environment import BASE_DIR, read_environment
from tradingrules.logs import logging_settings

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
    "support.apps.SupportAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django.forms",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "axes",
    "django_htmx",
    "django_q",
    "drf_spectacular",
    "rest_framework",
    "rest_framework_simplejwt.token_blacklist",
    "pghistory",
    "pgtrigger",
    "tradingrules",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "django_permissions_policy.PermissionsPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "pghistory.middleware.HistoryMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "axes.middleware.AxesMiddleware",  # it answers for those who are locked out
    "rest.unavailable.Unavailable",
]

if not DEBUG:  # in development, runserver serves the static files itself
    MIDDLEWARE.insert(3, "whitenoise.middleware.WhiteNoiseMiddleware")

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
                "tradingrules.shell.shell",
            ],
            "builtins": [
                "accounts.templatetags.parts",
                "actions.templatetags.rules",
                "portfolios.templatetags.money",
            ],
        },
    },
]
FORM_RENDERER = "accounts.rendering.OurRenderer"

# --- Database: PostgreSQL, always ---

EMBEDDED_POSTGRES_DIR = environment.embedded_postgres_dir
EMBEDDED_POSTGRES_FSYNC = environment.embedded_postgres_fsync
DATABASES: dict[str, dict[str, Any]] = {
    "default": with_limits(
        database_from_url(environment.database_url)
        if environment.database_url
        else {"ENGINE": "tradingrules.embedded", "NAME": "tradingrules"},
        silence=environment.idle_transaction_seconds,
    )
    # Long-lived connections, never psycopg's pool: the cluster forks, and a pool does not survive.
    | {"CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True}
}
# By this name PostgreSQL, and so /monitoring, tells which process a session is of.
DATABASES["default"]["OPTIONS"].setdefault(
    "application_name", f"trading-rules {' '.join(sys.argv[1:2])}".strip()
)
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
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # first: who is locked out is not asked for a password
    "allauth.account.auth_backends.AuthenticationBackend",
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "dashboard"
LOGOUT_REDIRECT_URL = "account_login"

ACCOUNT_ADAPTER = "accounts.adapter.Adapter"
ACCOUNT_LOGIN_METHODS = {"email", "username"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "optional"  # docs/adr/0015: a site may have no mail server
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = "Trading Rules: "
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_LOGIN_ON_PASSWORD_RESET = False  # a second factor is asked for, as always
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 600  # seconds for which a password that was typed counts
ACCOUNT_FORMS = {
    "login": "accounts.forms.SignIn",
    "signup": "accounts.forms.SignUp",
    "reset_password": "accounts.forms.ForgottenPassword",
    "reset_password_from_key": "accounts.forms.NewPassword",
    "change_password": "accounts.forms.ChangePassword",
    "add_email": "accounts.forms.ChangeEmail",
    "reauthenticate": "accounts.forms.PasswordAgain",
}
# Failures are counted by the lock-out below and by nothing else; allauth goes on limiting how often
# one address signs up or asks for e-mails.
ACCOUNT_RATE_LIMITS = {"login": None, "login_failed": None, "reauthenticate": None}
MFA_FORMS = {
    "authenticate": "accounts.forms.SecondFactor",
    "reauthenticate": "accounts.forms.SecondFactorAgain",
    "activate_totp": "accounts.forms.BeginSecondFactor",
}
MFA_RATE_LIMITS = {"login_failed": None}
MFA_TOTP_ISSUER = "Trading Rules"
MFA_TOTP_TOLERANCE = 1  # steps of 30 s by which a telephone's clock may be wrong
MFA_ALLOW_UNVERIFIED_EMAIL = True  # as above: a site may have no mail server

# After some failures an account is locked out for the address they came from: pages, admin, tokens.
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)  # since the last attempt
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_USERNAME_CALLABLE = "accounts.lockout.whose"
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "rest.addresses.client_address"
AXES_LOCKOUT_CALLABLE = "accounts.lockout.locked_out"
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False
TRUSTED_PROXIES = ALLAUTH_TRUSTED_PROXY_COUNT = environment.trusted_proxies

# --- The API ---

API_REQUESTS_PER_MINUTE = environment.api_requests_per_minute
API_TOKENS_PER_MINUTE = environment.api_tokens_per_minute
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.ByApiToken",
        "rest_framework_simplejwt.authentication.JWTAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["rest.parsing.StrictJson"],
    "DEFAULT_RENDERER_CLASSES": ["rest.answers.Json"],
    "DEFAULT_THROTTLE_CLASSES": ["rest.throttling.PerCaller"],
    "DEFAULT_SCHEMA_CLASS": "rest.schema.AutoSchema",
    "EXCEPTION_HANDLER": "rest.refusing.answer",
    "URL_FORMAT_OVERRIDE": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=7),
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
    "CHECK_REVOKE_TOKEN": True,  # a changed password ends every token
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Trading Rules",
    "DESCRIPTION": "Rules that watch the market and trade, rebalance or tell you, exactly once.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_PUBLIC": True,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SCHEMA_PATH_PREFIX": "/api",
    "POSTPROCESSING_HOOKS": [],  # the models name their own choices
    "ENABLE_DJANGO_DEPLOY_CHECK": True,
}

# --- Language, time, files ---

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [
    BASE_DIR / "static",
    # `npm ci` puts it there (make setup does), and no server of ours does without: fail, not guess.
    ("lightweight-charts", BASE_DIR / "node_modules" / "lightweight-charts" / "dist"),
]
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
PERMISSIONS_POLICY: dict[str, list[str]] = {  # no page of ours asks for any of these
    name: []
    for name in (
        "accelerometer",
        "camera",
        "display-capture",
        "geolocation",
        "gyroscope",
        "magnetometer",
        "microphone",
        "midi",
        "payment",
        "usb",
    )
}
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if not DEBUG:
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = ["^metrics$"]  # scraped from this machine, past the proxy
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True

# --- Mail ---

DEFAULT_FROM_EMAIL = SERVER_EMAIL = environment.default_from_email
EMAIL_SUBJECT_PREFIX = "Trading Rules: "
ADMINS = environment.operators_email
MAILERS: dict[str, dict[str, Any]] = {
    "default": (
        {
            "BACKEND": "django.core.mail.backends.filebased.EmailBackend",
            "OPTIONS": {"file_path": BASE_DIR / ".data" / "mail"},
        }
        if DEBUG and not environment.email_url
        else mailer_from_url(environment.email_url or "smtp://localhost:25")
    )
}

# --- Telling people ---

SITE_URL = environment.site_url
WEBHOOK_ALLOW_PRIVATE = environment.webhook_allow_private

# --- Those who run it ---

OPERATORS_AFTER_MINUTES = environment.operators_after_minutes
METRICS_TOKEN = environment.metrics_token.get_secret_value()
KEEP_NOTIFICATIONS_DAYS = environment.keep_notifications_days
KEEP_CONVERSATIONS_DAYS = environment.keep_conversations_days

# --- The chat ---

OPENAI_API_KEY = environment.openai_api_key.get_secret_value()
OPENAI_BASE_URL = environment.openai_base_url
OPENAI_MODEL = environment.openai_model
OPENAI_SECONDS = environment.openai_seconds
OPENAI_TURN_TOKENS = environment.openai_turn_tokens
OPENAI_INPUT_USD = environment.openai_input_usd
OPENAI_OUTPUT_USD = environment.openai_output_usd
CHAT_MESSAGES_PER_DAY = environment.chat_messages_per_day

# --- The market and the evaluator ---

MARKET_PROVIDER = environment.market_provider
MARKET_CONNECT_SECONDS = environment.market_connect_seconds
MARKET_READ_SECONDS = environment.market_read_seconds
MARKET_JUMP_PERCENT = environment.market_jump_percent
TWELVEDATA_API_KEY = environment.twelvedata_api_key.get_secret_value()
TWELVEDATA_URL = environment.twelvedata_url
TWELVEDATA_CREDITS_PER_MINUTE = environment.twelvedata_credits_per_minute
TWELVEDATA_CREDITS_PER_DAY = environment.twelvedata_credits_per_day
TWELVEDATA_STREAM_URL = environment.twelvedata_stream_url
TWELVEDATA_STREAM_SYMBOLS = environment.twelvedata_stream_symbols
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

_SECRETS = [
    SECRET_KEY,
    TWELVEDATA_API_KEY,
    ALPACA_KEY_ID,
    ALPACA_SECRET_KEY,
    OPENAI_API_KEY,
    METRICS_TOKEN,
    DATABASES["default"].get("PASSWORD", ""),
    MAILERS["default"]["OPTIONS"].get("password", ""),
]
LOGGING = logging_settings(secrets=_SECRETS, readable=DEBUG)
