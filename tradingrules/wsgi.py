"""The door for WSGI servers such as gunicorn."""

import gc
import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradingrules.settings")
application = get_wsgi_application()
_ = get_resolver().url_patterns  # every view is imported now, not while the first visitor waits
# What there is by now lives as long as the process. The collector need not walk through it again to
# find what requests have left, nor let that grow until it is a quarter of it.
gc.collect()
gc.freeze()
