"""The product's settings with the bare viewset beside the API, and no limit to who may ask."""

from tradingrules.settings import *  # noqa: F403

ROOT_URLCONF = "bench.bare"
API_REQUESTS_PER_MINUTE = 10**9
SECURE_SSL_REDIRECT = False  # wrk speaks plain HTTP to this machine
