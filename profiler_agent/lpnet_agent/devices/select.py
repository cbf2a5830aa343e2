"""Opens the device that the settings name."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager

from lpnet.errors import MissingExtra
from lpnet.stop import Stop
from lpnet_agent.devices.base import Device
from lpnet_agent.devices.this_machine import ThisMachine
from lpnet_agent.errors import SetupError
from lpnet_agent.settings import Settings


@contextmanager
def open_device(settings: Settings, stop: Stop) -> Iterator[Device]:
    """This machine, or the phone that `adb` names, within the context.

    Raises SetupError, and MissingExtra if the packages for phones are not installed.
    """
    if settings.adb is None:
        if settings.cluster is not None:
            raise SetupError("--cluster selects the cores of a phone: use it with --adb")
        yield ThisMachine(settings)
        return
    require_adb()
    from lpnet_agent.devices.adb.device import open_phone

    with open_phone(settings, stop) as phone:
        yield phone


def require_adb() -> None:
    if importlib.util.find_spec("adbutils") is None:
        raise MissingExtra("--adb", "phones", "adbutils")
