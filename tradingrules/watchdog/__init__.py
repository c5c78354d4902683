"""The watchdog: keeps a django-q cluster running, and restarts it when it no longer works."""
