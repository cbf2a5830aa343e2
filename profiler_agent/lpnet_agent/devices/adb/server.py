"""The adb server of this machine, and the phones connected to it."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from adbutils import AdbClient, AdbConnection
from adbutils.errors import AdbConnectionError, AdbError

# The server itself answers within milliseconds.
_TIMEOUT_S = 5.0
_CONNECT_S = 1.0
_NETWORK_SERIAL = re.compile(r"\S+:\d+")

AUTO = "auto"

# What to do about a phone that is not in state "device".
_REMEDIES = {
    "unauthorized": "does not trust this computer: unlock it and allow USB debugging in its "
    "dialog; `adb kill-server && adb devices` shows the dialog again",
    "authorizing": "asks whether to trust this computer: unlock it and allow USB debugging",
    "connecting": "is still connecting: wait a few seconds",
    "offline": "is connected but does not answer adb: unplug it and plug it in again, or run "
    "`adb reconnect offline`",
    "no": "cannot be opened by this user: sudo apt install android-sdk-platform-tools-common, "
    "then plug it in again (or run `adb kill-server && sudo adb devices`)",
    "recovery": "is in recovery mode: let it start Android",
    "rescue": "is in rescue mode: let it start Android",
    "sideload": "is waiting for a system update: let it start Android",
    "bootloader": "is in its bootloader: let it start Android",
}


class Server:
    """A client of the server at ANDROID_ADB_SERVER_HOST and ANDROID_ADB_SERVER_PORT, by default
    127.0.0.1:5037. It starts no server: the owner of the phones decides which adb serves them."""

    def __init__(self) -> None:
        self._client = AdbClient(socket_timeout=_TIMEOUT_S)

    @property
    def address(self) -> str:
        return f"{self._client.host}:{self._client.port}"

    def find_problem(self) -> str | None:
        try:
            socket.create_connection((self._client.host, self._client.port), _CONNECT_S).close()
        except OSError as error:
            reason = error.strerror or str(error)
            return (
                f"no adb server answers at {self.address} ({reason}): run `adb start-server` "
                "(package adb), or set ANDROID_ADB_SERVER_PORT"
            )
        return None

    def states(self) -> dict[str, str]:
        """State of each phone by serial, as in `adb devices`. Raises AdbError, OSError."""
        return {phone.serial: phone.state for phone in self._client.list()}

    def resolve(self, serial: str) -> tuple[str, str | None]:
        """The phone's serial, where `auto` stands for the only phone; and why it cannot be used
        and what to do (None if it can be used)."""
        problem = self.find_problem()
        if problem is not None:
            return serial, problem
        try:
            states = self._connected_states(serial)
            if serial == AUTO:
                if len(states) != 1:
                    return serial, _not_one(states)
                serial = next(iter(states))
        except (AdbError, OSError) as error:
            return serial, f"the adb server at {self.address} failed: {error}"
        state = states.get(serial)
        if state is None:
            return serial, f"phone {serial} is not connected: {_hint(serial, states)}"
        if state == "device":
            return serial, None
        return serial, f"phone {serial} " + _REMEDIES.get(state, f"is in state {state!r}")

    @contextmanager
    def connection(self, serial: str, timeout_s: float) -> Iterator[AdbConnection]:
        """A connection to a phone for one service of its adbd. Raises AdbError and OSError.

        The connection of adbutils leaves the socket open if the phone is away, and starts a server
        if there is none.
        """
        problem = self.find_problem()
        if problem is not None:
            raise AdbConnectionError(problem)
        with self._client.make_connection(timeout=timeout_s) as connection:
            connection.send_command(f"host:transport:{serial}")
            connection.check_okay()
            yield connection

    def _connected_states(self, serial: str) -> dict[str, str]:
        """The connected phones; connects to a phone on the network first if needed."""
        states = self.states()
        if serial not in states and _NETWORK_SERIAL.fullmatch(serial):
            self._client.connect(serial, timeout=_TIMEOUT_S)
            states = self.states()
        return states


def _hint(serial: str, states: dict[str, str]) -> str:
    if _NETWORK_SERIAL.fullmatch(serial):
        return f"check that it is on the network, then run `adb connect {serial}`"
    return (
        "plug it in with USB debugging on, so that `adb devices` lists it (connected now: "
        f"{', '.join(states) or 'none'})"
    )


def _not_one(states: dict[str, str]) -> str:
    if not states:
        return "no phone is connected: plug one in with USB debugging on; see `adb devices`"
    return f"{len(states)} phones are connected: select one with --adb: {', '.join(states)}"
