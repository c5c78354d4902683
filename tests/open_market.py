"""The product's settings with an exchange that never closes: for processes that tests start."""

from datetime import datetime
from unittest.mock import patch

from django.apps import AppConfig

from market.hours import AlwaysOpen
from tradingrules.settings import *  # noqa: F403
from tradingrules.settings import INSTALLED_APPS as _PRODUCT

INSTALLED_APPS = [*_PRODUCT, "tests.open_market.OpenMarket"]


class RoundTheClock(AlwaysOpen):
    """Opens the moment that it closes, where AlwaysOpen has no opening at all."""

    def next_open(self, at: datetime) -> datetime:
        return at if at == self.last_close(at) else self.next_close(at)


class OpenMarket(AppConfig):
    """Gives the live feed this calendar, from the set-up of a process on."""

    name = "tests.open_market"
    path = ""

    def ready(self) -> None:
        from market.providers import twelvedata  # noqa: PLC0415 -- after the set-up

        patch.object(twelvedata, "Exchange", RoundTheClock).start()
