"""The device that the settings name."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager

from lpnet.errors import MissingExtra
from lpnet_agent.devices.base import Place
from lpnet_agent.devices.this_machine import Here
from lpnet_agent.errors import BadSetup
from lpnet_agent.settings import Settings
from lpnet_agent.stop import Stop


@contextmanager
def place_of(settings: Settings, stop: Stop) -> Iterator[Place]:
    """This machine, or the phone at `adb`, for as long as it is needed. Raises BadSetup, and
    MissingExtra without what speaks to phones."""
    if settings.adb is None:
        if settings.cluster is not None:
            raise BadSetup("--cluster chooses cores of a phone: it needs --adb")
        yield Here(settings)
        return
    check_phones()
    from lpnet_agent.devices.adb.device import phone_place

    with phone_place(settings, stop) as place:
        yield place


def check_phones() -> None:
    """Raises MissingExtra without what speaks to phones."""
    if importlib.util.find_spec("adbutils") is None:
        raise MissingExtra("--adb", "phones", "adbutils")
