"""The product's settings as in production, with the static files of a test."""

import os
from pathlib import Path

from tradingrules.settings import *  # noqa: F403

STATIC_ROOT = Path(os.environ["TEST_STATIC_ROOT"])
