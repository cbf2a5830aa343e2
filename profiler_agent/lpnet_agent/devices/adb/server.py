"""The adb server of this machine, and what it says of the phones connected to it."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from adbutils import AdbClient, AdbConnection
from adbutils.errors import AdbConnectionError, AdbError

# What the server answers by itself is a matter of milliseconds.
_PATIENCE_S = 5.0
_CONNECT_S = 1.0
_NETWORK_SERIAL = re.compile(r"\S+:\d+")

AUTO = "auto"

# What to do about a phone in a state other than "device".
_REMEDIES = {
    "unauthorized": "does not trust this computer: unlock it and allow USB debugging in the "
    "question it shows; it shows it again after `adb kill-server && adb devices`",
    "authorizing": "is still being asked whether it trusts this computer: unlock it and allow USB "
    "debugging",
    "connecting": "is still connecting: wait a moment",
    "offline": "is connected but does not answer adb: unplug it and plug it in again, or run "
    "`adb reconnect offline`",
    "no": "may not be opened by this user: sudo apt install android-sdk-platform-tools-common, "
    "then plug it in again (or run `adb kill-server && sudo adb devices`)",
    "recovery": "is in recovery mode: let it start Android",
    "rescue": "is in rescue mode: let it start Android",
    "sideload": "waits for a system update: let it start Android",
    "bootloader": "is in its bootloader: let it start Android",
}


class Server:
    """Speaks to the server at ANDROID_ADB_SERVER_HOST and ANDROID_ADB_SERVER_PORT, by default
    127.0.0.1:5037. It starts none: whoever owns the phones decides which adb serves them."""

    def __init__(self) -> None:
        self._client = AdbClient(socket_timeout=_PATIENCE_S)

    @property
    def address(self) -> str:
        return f"{self._client.host}:{self._client.port}"

    def absent(self) -> str | None:
        """Why there is no server to speak to, and what to do; None: there is one."""
        try:
            socket.create_connection((self._client.host, self._client.port), _CONNECT_S).close()
        except OSError as error:
            why = error.strerror or str(error)
            return (
                f"no adb server answers at {self.address} ({why}): run `adb start-server` "
                "(package adb), or say where it is by ANDROID_ADB_SERVER_PORT"
            )
        return None

    def states(self) -> dict[str, str]:
        """State of each phone by serial, as `adb devices` lists them. Raises AdbError, OSError."""
        return {phone.serial: phone.state for phone in self._client.list()}

    def choose(self, serial: str) -> tuple[str, str | None]:
        """The serial that is meant, and what keeps that phone from use, with what to do about it;
        None: nothing. `auto` means the only phone there is."""
        absent = self.absent()
        if absent is not None:
            return serial, absent
        try:
            states = self._reached(serial)
            if serial == AUTO:
                if len(states) != 1:
                    return serial, _which(states)
                serial = next(iter(states))
        except (AdbError, OSError) as error:
            return serial, f"the adb server at {self.address} fails: {error}"
        state = states.get(serial)
        if state is None:
            return serial, f"phone {serial} is not connected: {_hint(serial, states)}"
        if state == "device":
            return serial, None
        return serial, f"phone {serial} " + _REMEDIES.get(state, f"is in state {state!r}")

    @contextmanager
    def connection(self, serial: str, timeout_s: float) -> Iterator[AdbConnection]:
        """A connection to a phone, on which one service of its adbd is to be asked for. Raises
        AdbError and OSError.

        Made here because adbutils' own leaves the socket open where the phone is away, and starts
        a server where there is none.
        """
        absent = self.absent()
        if absent is not None:
            raise AdbConnectionError(absent)
        with self._client.make_connection(timeout=timeout_s) as connection:
            connection.send_command(f"host:transport:{serial}")
            connection.check_okay()
            yield connection

    def _reached(self, serial: str) -> dict[str, str]:
        """What is connected; a phone on the network is connected to first where it is not."""
        states = self.states()
        if serial not in states and _NETWORK_SERIAL.fullmatch(serial):
            self._client.connect(serial, timeout=_PATIENCE_S)
            states = self.states()
        return states


def _hint(serial: str, states: dict[str, str]) -> str:
    if _NETWORK_SERIAL.fullmatch(serial):
        return f"see that it is on the network, then `adb connect {serial}`"
    return (
        "plug it in, with USB debugging on (`adb devices` lists it then; connected now: "
        f"{', '.join(states) or 'none'})"
    )


def _which(states: dict[str, str]) -> str:
    if not states:
        return "no phone is connected: plug one in, with USB debugging on (`adb devices` lists it)"
    return f"{len(states)} phones are connected: choose one with --adb: {', '.join(states)}"
