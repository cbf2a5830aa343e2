"""Keeps child processes alive until it is told to end them."""

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
_LOOK_S = 0.05
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
# A process that has lived so long did not die of its start.
_STEADY_S = 60.0
_log = structlog.get_logger()


@dataclass(frozen=True)
class Role:
    """What a child does: `python -m lpnet_service ARGUMENTS`, with the descriptors it inherits.

    `environment` None is that of this process.
    """

    name: str
    arguments: Sequence[str]
    descriptors: Sequence[int] = ()
    environment: Mapping[str, str] | None = None


def spawned(role: Role) -> subprocess.Popen[bytes]:
    """A new process of that role."""
    return subprocess.Popen(
        [sys.executable, "-m", "lpnet_service", *role.arguments],
        pass_fds=role.descriptors,
        env=role.environment,
    )


class Supervisor:
    """Starts children, and another in the place of one that ends; ends all of them on leaving.

    A child that keeps dying is started less and less often, every 30 s at last. One that cannot
    be ended within `grace_s` is killed.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        spawn: Callable[[Role], subprocess.Popen[bytes]] = spawned,
        grace_s: float = _GRACE_S,
    ) -> None:
        self._clock = clock
        self._spawn = spawn
        self._grace_s = grace_s
        self._places: list[_Place] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        end = time.monotonic() + self._grace_s
        for place in self._places:
            place.ask_to_end()
        while any(place.alive for place in self._places) and time.monotonic() < end:
            # Not `time.sleep`, which fails under the library that sets clocks back in tests.
            select.select([], [], [], _LOOK_S)
        for place in self._places:
            place.end()

    def start(self, role: Role, count: int) -> None:
        """Start so many children of a role."""
        self._places += [_Place(role, self._clock, self._spawn) for _ in range(count)]

    def look(self) -> None:
        """Replace what has ended; to be called a few times a second."""
        for place in self._places:
            place.look()


class _Place:
    """One child at a time."""

    def __init__(
        self,
        role: Role,
        clock: Callable[[], float],
        spawn: Callable[[Role], subprocess.Popen[bytes]],
    ) -> None:
        self._role = role
        self._clock = clock
        self._spawn = spawn
        self._pause_s = _FIRST_PAUSE_S
        self._start()

    def _start(self) -> None:
        self._again_at: float | None = None
        self._started_at = self._clock()
        self._process = self._spawn(self._role)

    def look(self) -> None:
        if self.alive:
            return
        now = self._clock()
        if self._again_at is not None:
            if now >= self._again_at:
                self._start()
            return
        if now - self._started_at >= _STEADY_S:
            self._pause_s = _FIRST_PAUSE_S
        self._again_at = now + self._pause_s
        _log.warning(
            "a process ended, and is replaced",
            role=self._role.name,
            pid=self._process.pid,
            code=self._process.returncode,
            again_in_s=self._pause_s,
        )
        self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask_to_end(self) -> None:
        if self.alive:
            self._process.terminate()

    def end(self) -> None:
        if self.alive:
            _log.warning("killed: it did not end in time", role=self._role.name)
            self._process.kill()
            self._process.wait()
