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
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0
# Settings of the service and the agent. A demo often runs on a shared machine and should not wait
# for it to cool down: the default agent pauses at a drift of 3%, and retries less often.
SETTINGS = {
    "LPNET_DISTURBED_RETRY_S": "5",
    "LPNET_AGENT_DRIFT_PCT": "15",
    "LPNET_AGENT_COOL_S": "5",
}


def check_extras(*, agent: bool = True) -> None:
    """Raises MissingExtra if a package of the service, or of the agent, is not installed."""
    packages = [("lpnet_service", "", "lpnet-service"), ("fastapi", "", "lpnet-service")]
    if agent:
        packages.append(("onnxruntime", "agent", "lpnet"))
    for package, extra, distribution in packages:
        if importlib.util.find_spec(package) is None:
            raise MissingExtra("lpnet demo", extra, package, distribution)


class LocalLoop:
    """Context manager that runs a service with a fresh database and an agent of this machine.

    Both are processes of this interpreter, which stop on leaving the context. Their logs are in
    `folder`. Without `agent` only the service runs. `database_url` defaults to a new SQLite file
    in `folder`. `agent_state` is the state folder of the agent (default: a new one); an agent that
    goes on with a database needs its own. `patience_s` is that of the client. Raises MissingExtra,
    and LpnetError with the end of the log if one does not start.
    """

    def __init__(
        self,
        folder: Path,
        *,
        agent: bool = True,
        database_url: str | None = None,
        api_processes: int = 1,
        workers: int = 1,
        agent_state: Path | None = None,
        patience_s: float | None = None,
    ) -> None:
        check_extras(agent=agent)
        self.folder = folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        stamp = time.strftime("%Y%m%d-%H%M%S")
        fresh = f"sqlite:///{self.folder / f'lpnet-{stamp}.db'}"
        self.database_url = database_url or fresh
        self.url = f"http://127.0.0.1:{_free_port()}"
        self.client = Client(self.url, patience_s=patience_s)
        self._state = agent_state or self.folder / f"agent-{stamp}"
        self._with_agent = agent
        self._process_options = ("--api-processes", str(api_processes), "--workers", str(workers))
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        # A SIGTERM ends the children, too.
        signal.signal(signal.SIGTERM, _interrupt)
        port = self.url.rpartition(":")[2]
        for name in ("service", "agent"):
            self._log(name).unlink(missing_ok=True)
        try:
            self._start("service", "lpnet_service", "run", "--port", port, *self._process_options)
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
        """Wait until the agent has registered with this runtime; returns its target."""

        def names() -> list[str]:
            targets = self.client.targets()
            return [target.name for target in targets if target.spec.runtime == runtime]

        self._wait("agent", lambda: bool(names()))
        return names()[0]

    def replace_agent(self, runtime: str) -> str:
        """Replace the agent by one with another runtime; returns its target."""
        self._end("agent")
        self._start_agent(runtime)
        return self.wait_for_target(runtime)

    def _start_agent(self, runtime: str = RUNTIME) -> None:
        options = ["--server", self.url, "--state-dir", str(self._state)]
        options += ["--threads", "1", "--runtime", runtime]
        self._start("agent", "lpnet_agent", "run", *options)

    def _start(self, name: str, module: str, *arguments: str) -> None:
        # Settings of another service or agent on this machine must not apply here.
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("LPNET_")}
        environment = {**inherited, **SETTINGS, "LPNET_DATABASE_URL": self.database_url}
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
        deadline = time.monotonic() + START_TIMEOUT_S
        while not ready():
            if self._children[name].poll() is not None:
                raise LpnetError(f"the {name} stopped:\n{self._end_of_log(name)}")
            if time.monotonic() > deadline:
                raise LpnetError(
                    f"the {name} did not start within {START_TIMEOUT_S:.0f} s:\n"
                    f"{self._end_of_log(name)}"
                )
            time.sleep(0.2)

    def _service_listens(self) -> bool:
        port = int(self.url.rpartition(":")[2])
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    def _stop(self) -> None:
        # The agent stops first, so that it can return its job to the service.
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
            child.wait(STOP_TIMEOUT_S)
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
