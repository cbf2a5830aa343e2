"""A phone: runs commands on it, and tells whether it can be used."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import structlog
from adbutils.errors import AdbError, AdbTimeout

from lpnet.stop import Stop
from lpnet_agent.devices.adb import shell
from lpnet_agent.devices.adb.server import Server
from lpnet_agent.devices.adb.shell import CommandResult
from lpnet_agent.errors import DeviceUnavailable, SetupError

log = structlog.get_logger()

# Beside timed runs and large files, no command takes longer.
COMMAND_TIMEOUT_S = 15.0
_CONNECT_TIMEOUT_S = 5.0
# For commands that return at once.
_SHORT_TIMEOUT_S = 5.0
# Identifies the phone and the version of its system; the serial alone does not.
_IDENTITY = "getprop ro.serialno; getprop ro.build.fingerprint; getprop sys.boot_completed"
_BOOTED = "1"


class Phone:
    """One phone, by its serial. If it cannot be reached, DeviceUnavailable says what to do."""

    def __init__(self, serial: str, stop: Stop | None = None) -> None:
        """Raises SetupError, saying what to do, for a phone that cannot be used."""
        self._server = Server()
        self._stop = stop
        self.serial, problem = self._server.resolve(serial)
        if problem is not None:
            raise SetupError(problem)
        self._unreachable = False
        # Called every second while a command runs.
        self.heartbeat: Callable[[], None] | None = None
        try:
            self._identity = self._read_identity()
        except DeviceUnavailable as error:
            raise SetupError(str(error)) from error

    @property
    def unreachable(self) -> bool:
        """Whether the last command failed to reach it."""
        return self._unreachable

    def run(
        self,
        command: str,
        *,
        stdin: bytes = b"",
        timeout_s: float = COMMAND_TIMEOUT_S,
        ignore_stop: bool = False,
    ) -> CommandResult:
        """Run a command line on the phone. `ignore_stop`: even if the agent is stopping.

        Raises DeviceUnavailable, or Interrupted if the agent is stopping and the command takes too
        long.
        """
        stop = None if ignore_stop else self._stop
        try:
            with self._server.connection(self.serial, _CONNECT_TIMEOUT_S) as connection:
                result = shell.run(connection, command, stdin, timeout_s, stop, self.heartbeat)
        except (shell.CommandTimeout, AdbTimeout) as error:
            self._unreachable = True
            is_command = isinstance(error, shell.CommandTimeout)
            waited_s = timeout_s if is_command else _CONNECT_TIMEOUT_S
            raise DeviceUnavailable(
                f"phone {self.serial} did not answer within {waited_s:.0f} s: check that it is on "
                "and connected; if it hangs, restart it"
            ) from error
        except (shell.ConnectionLost, AdbError, EOFError, OSError) as error:
            self._unreachable = True
            raise DeviceUnavailable(self._connection_problem(error)) from error
        self._unreachable = False
        return result

    def try_run(self, command: str) -> None:
        """Run a clean-up command; does nothing if the phone cannot be reached."""
        with contextlib.suppress(DeviceUnavailable):
            self.run(command, timeout_s=_SHORT_TIMEOUT_S, ignore_stop=True)

    def find_problem(self) -> str | None:
        """Why the phone cannot be used now, and what to do; None if it can.

        Raises SetupError if another phone, or an updated system on this one, has its serial now,
        because that is another device or target.
        """
        try:
            identity = self._read_identity()
        except DeviceUnavailable as error:
            return str(error)
        if identity != self._identity:
            raise SetupError(
                f"phone {self.serial} is another phone than before, or its system was updated: "
                "start the agent again"
            )
        return None

    def _read_identity(self) -> str:
        result = self.run(_IDENTITY, timeout_s=_SHORT_TIMEOUT_S)
        identity, _, booted = result.out.strip().rpartition("\n")
        if result.code or booted != _BOOTED:
            self._unreachable = True
            raise DeviceUnavailable(
                f"phone {self.serial} is still starting: wait until Android is up"
            )
        return identity

    def _connection_problem(self, error: Exception) -> str:
        # The state of the phone explains more than the error of the connection.
        _, problem = self._server.resolve(self.serial)
        if problem is not None:
            return problem
        return (
            f"the connection to phone {self.serial} broke ({error}) and is up again: check its "
            "cable"
        )
