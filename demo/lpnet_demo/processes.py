"""A service and an agent as child processes on loopback, for the demo and for benchmarks."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from lpnet.client import Client
from lpnet.errors import LpnetError, MissingExtra

RUNTIME = "onnxruntime"
START_S = 60.0
STOP_S = 15.0
# A demo runs on whatever machine is at hand, often a shared one, and nobody wants to watch it cool
# down for a few percent. An agent of your own pauses at 3%.
DRIFT_PCT = "15"
# Somebody waits for the loop: what was disturbed, and a device that was paused, are looked at
# again soon.
RETRY_S, COOL_S = "5", "5"


class LocalLoop:
    """A running service with a fresh database, and an agent of this machine.

    Both are started as `python -m` of this interpreter and stopped on leaving the context; their
    logs are in `folder`. Raises LpnetError, with the end of the log, where one does not come up.
    Without `agent` only the service runs. `database_url` None is a fresh SQLite file in `folder`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        agent: bool = True,
        database_url: str | None = None,
        api_processes: int = 1,
        workers: int = 1,
    ) -> None:
        needed = [("lpnet_service", "service"), ("fastapi", "service")]
        for module, extra in [*needed, *([("onnxruntime", "agent")] if agent else [])]:
            if importlib.util.find_spec(module) is None:
                raise MissingExtra("lpnet demo", extra, module)
        self.folder = folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        stamp = time.strftime("%Y%m%d-%H%M%S")
        fresh = f"sqlite:///{self.folder / f'lpnet-{stamp}.db'}"
        self.database_url = database_url or fresh
        self.url = f"http://127.0.0.1:{_free_port()}"
        self.client = Client(self.url)
        self._state = self.folder / f"agent-{stamp}"
        self._with_agent = agent
        self._numbers = ("--api-processes", str(api_processes), "--workers", str(workers))
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        # Whoever asks this process to end means its children too.
        signal.signal(signal.SIGTERM, _interrupt)
        port = self.url.rpartition(":")[2]
        for name in ("service", "agent"):
            self._log(name).unlink(missing_ok=True)
        try:
            self._start("service", "lpnet_service", "run", "--port", port, *self._numbers)
            self._wait("service", self._service_listens)
            if self._with_agent:
                self._start_agent()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def wait_for_target(self, runtime: str = RUNTIME) -> str:
        """Name of the agent's target, once it has registered with that runtime."""

        def names() -> list[str]:
            return [one.name for one in self.client.targets() if one.spec.runtime == runtime]

        self._wait("agent", lambda: bool(names()))
        return names()[0]

    def other_agent(self, runtime: str) -> str:
        """An agent with another runtime in the place of the one that runs; its target."""
        self._end("agent")
        self._start_agent(runtime)
        return self.wait_for_target(runtime)

    def _start_agent(self, runtime: str = RUNTIME) -> None:
        at = ("--server", self.url, "--state-dir", str(self._state))
        self._start("agent", "lpnet_agent", "run", *at, "--threads", "1", "--runtime", runtime)

    def _start(self, name: str, module: str, *arguments: str) -> None:
        # Settings of some other service or agent must not reach these.
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("LPNET_")}
        environment = {
            **inherited,
            "LPNET_DATABASE_URL": self.database_url,
            "LPNET_DISTURBED_RETRY_S": RETRY_S,
            "LPNET_AGENT_DRIFT_PCT": DRIFT_PCT,
            "LPNET_AGENT_COOL_S": COOL_S,
        }
        with self._log(name).open("ab") as log:
            self._children[name] = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _wait(self, name: str, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_S
        while not ready():
            if self._children[name].poll() is not None:
                raise LpnetError(f"the {name} ended:\n{self._end_of_log(name)}")
            if time.monotonic() > deadline:
                raise LpnetError(
                    f"the {name} is not up after {START_S:.0f} s:\n{self._end_of_log(name)}"
                )
            time.sleep(0.2)

    def _service_listens(self) -> bool:
        port = int(self.url.rpartition(":")[2])
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    def _stop(self) -> None:
        """The agent first, so that it can hand back what it holds."""
        for name in ("agent", "service"):
            self._end(name)
        self.client.close()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def _end(self, name: str) -> None:
        child = self._children.pop(name, None)
        if child is None:
            return
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
        try:
            child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def _end_of_log(self, name: str) -> str:
        return "\n".join(self._log(name).read_text(errors="replace").splitlines()[-15:])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt
