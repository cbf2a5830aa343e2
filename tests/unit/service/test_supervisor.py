"""The supervisor of the service's processes: when it starts another."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

from lpnet_service.processes.supervisor import Role, Supervisor

LONG_LIVED = "import time; time.sleep(600)"
# It neither ends by itself nor when it is asked to.
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print(flush=True); time.sleep(600)"
)


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


class Spawner:
    """Starts processes that do what `code` says; keeps all that it has started."""

    def __init__(self, code: str = "pass") -> None:
        self.code = code
        self.started: list[subprocess.Popen[bytes]] = []

    def __call__(self, role: Role) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", self.code]
        self.started.append(subprocess.Popen(command, stdout=subprocess.PIPE))
        return self.started[-1]

    def ended(self) -> None:
        """Wait for the end of the last one."""
        self.started[-1].communicate()


def test_what_keeps_dying_is_started_less_and_less_often() -> None:
    clock, spawner = Clock(), Spawner()
    with Supervisor(clock, spawner) as children:
        children.start(Role("api", ()), 1)
        for number, pause_s in enumerate([0.5, 1, 2, 4, 8, 16, 30, 30], start=1):
            spawner.ended()
            children.restart_ended()
            clock.now += pause_s - 0.01
            children.restart_ended()
            assert len(spawner.started) == number
            clock.now += 0.02
            children.restart_ended()
            assert len(spawner.started) == number + 1
        spawner.ended()


def test_what_has_run_for_ten_seconds_is_started_again_at_once() -> None:
    clock, spawner = Clock(), Spawner()
    with Supervisor(clock, spawner) as children:
        children.start(Role("worker", ()), 1)
        for _ in range(4):
            spawner.ended()
            clock.now += 10
            children.restart_ended()
            clock.now += 0.5
            children.restart_ended()
        assert len(spawner.started) == 5
        spawner.ended()


def test_all_end_with_it() -> None:
    spawner = Spawner(LONG_LIVED)
    with Supervisor(spawn=spawner) as children:
        children.start(Role("worker", ()), 2)
        assert [process.poll() for process in spawner.started] == [None, None]
    assert [process.returncode for process in spawner.started] == [-15, -15]
    for _ in range(2):
        spawner.started.pop().communicate()


def test_what_does_not_end_is_killed() -> None:
    spawner = Spawner(STUBBORN)
    with Supervisor(spawn=spawner, grace_s=0.2) as children:
        children.start(Role("worker", ()), 1)
        assert spawner.started[0].stdout is not None
        spawner.started[0].stdout.readline()
    assert spawner.started[0].returncode == -9
    spawner.ended()
