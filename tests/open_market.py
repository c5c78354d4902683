"""The product's settings with an exchange that never closes: for processes that tests start."""

from unittest.mock import patch

from django.apps import AppConfig

from bench.feed import RoundTheClock
from tradingrules.settings import *  # noqa: F403
from tradingrules.settings import INSTALLED_APPS as _PRODUCT

INSTALLED_APPS = [*_PRODUCT, "tests.open_market.OpenMarket"]


class OpenMarket(AppConfig):
    """Gives the live feed this calendar, from the set-up of a process on."""

    name = "tests.open_market"
    path = ""

    def ready(self) -> None:
        from market.providers import twelvedata  # noqa: PLC0415 -- after the set-up

        patch.object(twelvedata, "Exchange", RoundTheClock).start()
