"""Gives the tests their own throw-away PostgreSQL (interim: whatever DATABASE_URL names)."""

import os

os.environ["DEBUG"] = "true"
os.environ["DJANGO_SETTINGS_MODULE"] = "tradingrules.settings"
