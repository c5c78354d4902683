"""Sets Django up when it is imported: first of all in processes that tests start (processes.py)."""

import django

django.setup()
