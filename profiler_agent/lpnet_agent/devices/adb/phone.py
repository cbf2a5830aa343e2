"""A phone: commands run on it, and whether it can be worked with at all."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import structlog
from adbutils.errors import AdbError, AdbTimeout

from lpnet_agent.devices.adb import shell
from lpnet_agent.devices.adb.server import Server
from lpnet_agent.devices.adb.shell import CommandResult
from lpnet_agent.errors import BadSetup, DeviceAway
from lpnet_agent.stop import Stop

log = structlog.get_logger()

# Beside the timed runs nothing that is asked of a phone takes longer, but for a large file.
PATIENCE_S = 15.0
_OPEN_S = 5.0
# A question whose answer is there at once tells whether it is there.
_PING_S = 5.0
# What tells one phone, and one state of its system, from another under the same serial.
_WHO = "getprop ro.serialno; getprop ro.build.fingerprint; getprop sys.boot_completed"
_STARTED = "1"


class Phone:
    """One phone, by its serial. Every failure to reach it is a DeviceAway, in words that say what
    to do."""

    def __init__(self, serial: str, stop: Stop | None = None) -> None:
        """Raises BadSetup for a phone that cannot be worked with, saying what to do."""
        self._server = Server()
        self._stop = stop
        self.serial, refusal = self._server.choose(serial)
        if refusal is not None:
            raise BadSetup(refusal)
        self._gone = False
        # Called every second while a command takes that long.
        self.meanwhile: Callable[[], None] | None = None
        try:
            self._who = self._ask_who()
        except DeviceAway as error:
            raise BadSetup(str(error)) from error

    @property
    def gone(self) -> bool:
        """Whether the last attempt to reach it failed."""
        return self._gone

    def run(
        self,
        command: str,
        *,
        stdin: bytes = b"",
        timeout_s: float = PATIENCE_S,
        to_the_end: bool = False,
    ) -> CommandResult:
        """Run a command line there. `to_the_end`: even when the agent is asked to end.

        Raises DeviceAway, or Interrupted if the agent is to end and it takes too long for that.
        """
        stop = None if to_the_end else self._stop
        try:
            with self._server.connection(self.serial, _OPEN_S) as connection:
                ended = shell.run(connection, command, stdin, timeout_s, stop, self.meanwhile)
        except (shell.Silent, AdbTimeout) as error:
            self._gone = True
            waited_s = timeout_s if isinstance(error, shell.Silent) else _OPEN_S
            raise DeviceAway(
                f"phone {self.serial} did not answer in {waited_s:.0f} s: see whether it is on "
                "and connected; if it hangs, restart it"
            ) from error
        except (shell.Broken, AdbError, EOFError, OSError) as error:
            self._gone = True
            raise DeviceAway(self._why(error)) from error
        self._gone = False
        return ended

    def try_to(self, command: str) -> None:
        """Run a command line whose failure changes nothing: something is cleared away."""
        with contextlib.suppress(DeviceAway):
            self.run(command, timeout_s=_PING_S, to_the_end=True)

    def away(self) -> str | None:
        """Why it cannot be worked with now, and what to do; None: it answers.

        Raises BadSetup where another phone, or another system on this one, has its serial now:
        that is another device or target.
        """
        try:
            who = self._ask_who()
        except DeviceAway as error:
            return str(error)
        if who != self._who:
            raise BadSetup(
                f"phone {self.serial} is another one than before, or its system was updated: "
                "start the agent again"
            )
        return None

    def _ask_who(self) -> str:
        said = self.run(_WHO, timeout_s=_PING_S)
        who, _, started = said.out.strip().rpartition("\n")
        if said.code or started != _STARTED:
            self._gone = True
            raise DeviceAway(f"phone {self.serial} is still starting: wait until Android is up")
        return who

    def _why(self, error: Exception) -> str:
        """The state of the phone says more than the connection's last words."""
        _, refusal = self._server.choose(self.serial)
        if refusal is not None:
            return refusal
        return (
            f"the connection to phone {self.serial} broke ({error}), and it is connected again: "
            "see that its cable sits firmly"
        )
