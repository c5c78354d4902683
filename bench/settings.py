"""The product's settings with a feed that a bench moves: for the commands that it starts."""

from tradingrules.settings import *  # noqa: F403
from tradingrules.settings import INSTALLED_APPS as _PRODUCT

INSTALLED_APPS = [*_PRODUCT, "bench.feed.FeedOfAFile"]
