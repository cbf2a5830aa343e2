"""Keeps child processes running."""

from __future__ import annotations

import select
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import structlog

_GRACE_S = 7.0
_CHECK_S = 0.05
_MIN_PAUSE_S, _MAX_PAUSE_S = 0.5, 30.0
# A process that ran this long has started successfully: a start takes a few seconds.
_STEADY_S = 10.0
_log = structlog.get_logger()


@dataclass(frozen=True)
class Role:
    """A kind of child: it runs `python -m lpnet_service ARGUMENTS` and inherits `descriptors`.

    It also inherits the environment of this process if `environment` is None.
    """

    name: str
    arguments: Sequence[str]
    descriptors: Sequence[int] = ()
    environment: Mapping[str, str] | None = None


def spawn_child(role: Role) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "lpnet_service", *role.arguments],
        pass_fds=role.descriptors,
        env=role.environment,
    )


class Supervisor:
    """Starts children, restarts those that end, and ends all of them as the block ends.

    The pause before a restart doubles up to 30 s while a child keeps ending. A child that does not
    end within `grace_s` of SIGTERM is killed.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        spawn: Callable[[Role], subprocess.Popen[bytes]] = spawn_child,
        grace_s: float = _GRACE_S,
    ) -> None:
        self._clock = clock
        self._spawn = spawn
        self._grace_s = grace_s
        self._children: list[_Child] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        end = time.monotonic() + self._grace_s
        for child in self._children:
            child.terminate()
        while any(child.alive for child in self._children) and time.monotonic() < end:
            # Not `time.sleep`: the library that sets clocks back in tests breaks it.
            select.select([], [], [], _CHECK_S)
        for child in self._children:
            child.kill()

    def start(self, role: Role, count: int) -> None:
        self._children += [_Child(role, self._clock, self._spawn) for _ in range(count)]

    def restart_ended(self) -> None:
        """Restart children that have ended; call it a few times a second."""
        for child in self._children:
            child.restart_if_ended()


class _Child:
    """A child process and its replacements."""

    def __init__(
        self,
        role: Role,
        clock: Callable[[], float],
        spawn: Callable[[Role], subprocess.Popen[bytes]],
    ) -> None:
        self._role = role
        self._clock = clock
        self._spawn = spawn
        self._pause_s = _MIN_PAUSE_S
        self._start()

    def _start(self) -> None:
        self._restart_at: float | None = None
        self._started_at = self._clock()
        self._process = self._spawn(self._role)

    def restart_if_ended(self) -> None:
        if self.alive:
            return
        now = self._clock()
        if self._restart_at is not None:
            if now >= self._restart_at:
                self._start()
            return
        if now - self._started_at >= _STEADY_S:
            self._pause_s = _MIN_PAUSE_S
        self._restart_at = now + self._pause_s
        _log.warning(
            "a process ended and will be restarted",
            role=self._role.name,
            pid=self._process.pid,
            code=self._process.returncode,
            again_in_s=self._pause_s,
        )
        self._pause_s = min(self._pause_s * 2, _MAX_PAUSE_S)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def terminate(self) -> None:
        if self.alive:
            self._process.terminate()

    def kill(self) -> None:
        if self.alive:
            _log.warning("killed a process that did not end in time", role=self._role.name)
            self._process.kill()
            self._process.wait()
