"""gunicorn's settings: `gunicorn --config deploy/gunicorn_conf.py tradingrules.wsgi`.

WEB_BIND and WEB_CONCURRENCY (gunicorn's own variable) come from the environment, the rest is here.
"""

import os

bind = os.environ.get("WEB_BIND", "127.0.0.1:8000")
asked = os.environ.get("WEB_CONCURRENCY") or "2"
if not (asked.isascii() and asked.isdigit() and len(asked) < 4 and 1 <= int(asked) <= 256):
    raise SystemExit(f"WEB_CONCURRENCY={asked!r}: Use a whole number from 1 to 256.")
workers = int(asked)
# Threads share a worker's memory, and each has a connection to the database of its own.
worker_class = "gthread"
threads = 4
# Above the longest that a request may wait: 15 s for a lock, 25 s for an answer of the chat.
timeout = 60
graceful_timeout = 30
keepalive = 30  # longer than the proxy in front keeps an idle connection
# The heartbeat's file, in memory: with the rest of the system read-only there is no other place.
worker_tmp_dir = "/dev/shm"  # noqa: S108 -- gunicorn makes a private file there
control_socket_disable = True  # nobody steers it while it runs
