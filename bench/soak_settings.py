"""The product's settings with a feed that a bench moves, files without hashes, and no limit to how
much one may ask."""

from bench.settings import *  # noqa: F403

API_REQUESTS_PER_MINUTE = 10**9
SECURE_SSL_REDIRECT = False  # the visitors speak plain HTTP to this machine
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
