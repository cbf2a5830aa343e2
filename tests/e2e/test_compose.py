"""docker-compose.yml without an engine: the command, environment and health check of each service
as plain processes, on a Postgres that asks for the password of the secrets' folder.

Paths of containers become folders here, names of services addresses, ports free ones, and the
image of Postgres is a Postgres of the same version; everything else is as it is written.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import psutil
import pytest
from tests.harness import compose, postgres
from tests.harness.compose import ROOT, Service
from tests.harness.processes import PATIENCE_S, Running, left_of
from tests.harness.site import HURRIED_AGENT, free_port

import lpnet
from lpnet import Client
from lpnet.schemas.sample import Sample
from lpnet.schemas.workload import SpaceWorkload
from lpnet.space.sampling import plan
from lpnet.space.space import Space

SERVICES = compose.services()
# So short measurements are often disturbed, and nobody wants to wait until they are taken again.
HURRIES = {"agent": HURRIED_AGENT, "api": {"LPNET_DISTURBED_RETRIES": "0"}}
SCRIPTS = Path(sys.executable).parent


class Stack:
    """The services of the file, each in a folder of its own under `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.secrets = folder / "secrets"
        self.ports = {"8000": str(free_port()), "5432": str(free_port())}
        self.running: dict[str, Running] = {}
        self.postgres: subprocess.Popen[bytes]
        subprocess.run([ROOT / "tools/make-secrets", self.secrets], check=True)

    def secret(self, name: str) -> str:
        return (self.secrets / name).read_text().strip()

    def here(self, word: str, place: str) -> str:
        """A word of a container's command or environment, as it has to be on this machine."""
        word = word.replace("@postgres:", "@127.0.0.1:").replace("//api:", "//127.0.0.1:")
        for port, free in self.ports.items():
            if word == port or f":{port}" in word:
                word = word.replace(port, free)
        for inside in ("/run/secrets/", "/tmp/", "/var/lib/"):
            if word.startswith(inside):
                own = self.secrets if "secrets" in inside else self.folder / place / inside[1:]
                own.mkdir(parents=True, exist_ok=True)
                return str(own / word.removeprefix(inside))
        return word

    def environment(self, service: Service, place: str) -> dict[str, str]:
        said = {k: self.here(v, place) for k, v in service.environment.items()}
        return said | HURRIES.get(service.name, {})

    def start(self, name: str, number: int = 1) -> str:
        """Start a replica of a service; where it lives."""
        service, place = SERVICES[name], f"{name}-{number}"
        script, *words = service.command
        (self.folder / place).mkdir()
        self.running[place] = Running(
            script,
            [self.here(word, place) for word in words],
            self.folder / f"{place}.log",
            self.folder,
            self.environment(service, place),
        )
        return place

    def once(self, name: str) -> None:
        """Run a service that ends by itself, and again: `up` does so every time."""
        for number in (1, 2):
            place = self.start(name, number)
            assert self.running.pop(place).process.wait(120) == 0, self.log(place)

    def healthy(self, place: str) -> bool:
        """What its health check says."""
        service = SERVICES[place.rpartition("-")[0]]
        script, *words = [self.here(word, place) for word in service.healthy]
        program = postgres.tool(script) if service.name == "postgres" else SCRIPTS / script
        done = subprocess.run(
            [program, *words],
            env={**os.environ, **self.environment(service, place)},
            capture_output=True,
            text=True,
            check=False,
        )
        # Postgres' own says 2 where nobody answers.
        assert done.returncode in (0, 2 if service.name == "postgres" else 1), done.stderr
        assert "Traceback" not in done.stderr
        return done.returncode == 0

    def until(self, holds: Callable[[], bool], what: str, place: str) -> None:
        """Wait for what other processes do; the one at `place` must stay alive."""
        end = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < end, f"never happened: {what}\n{self.log(place)}"
            assert self.running[place].alive, f"ended before: {what}\n{self.log(place)}"
            time.sleep(0.1)

    def until_healthy(self, place: str) -> None:
        self.until(lambda: self.healthy(place), "it is healthy", place)

    def log(self, place: str) -> str:
        return (self.folder / f"{place}.log").read_text()

    def end(self, place: str) -> None:
        """Stop it as an engine does, and see its health check notice."""
        service = SERVICES[place.rpartition("-")[0]]
        assert self.running.pop(place).end(signal.Signals[service.stop_signal]) == 0
        assert not self.healthy(place)

    def close(self) -> None:
        for each in self.running.values():
            each.ask_to_end()
        for each in self.running.values():
            each.put_down()
        for process in left_of(self.folder):
            process.kill()


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    made = Stack(tmp_path)
    with ExitStack() as held:
        password = made.secret("database_password")
        port = int(made.ports["5432"])
        made.postgres = held.enter_context(postgres.protected("lpnet", password, port))
        held.callback(made.close)
        yield made


@pytest.mark.slow
def test_it_comes_up_measures_trains_and_goes_down(stack: Stack) -> None:
    (stack.folder / "postgres-1").mkdir()
    assert stack.healthy("postgres-1")
    for name in ("migrate", "admin-token", "agent-token"):
        stack.once(name)
    api = stack.start("api")
    stack.until_healthy(api)
    assert SERVICES["worker"].replicas == 2
    workers = [stack.start("worker", number) for number in (1, 2)]
    agent = stack.start("agent")
    for place in (*workers, agent):
        stack.until_healthy(place)

    _measures_and_trains(stack)
    _shows_no_secret(stack)
    assert all(stack.healthy(place) for place in stack.running)

    killed = stack.running.pop(workers[0])
    killed.end(signal.SIGKILL)
    assert not stack.healthy(workers[0])
    assert stack.healthy(workers[1])
    for place in (agent, workers[1], api):
        stack.end(place)
    assert left_of(stack.folder) == []
    stack.postgres.send_signal(signal.Signals[SERVICES["postgres"].stop_signal])
    assert stack.postgres.wait(PATIENCE_S) == 0
    assert not stack.healthy("postgres-1")


def _measures_and_trains(stack: Stack) -> None:
    url = f"http://127.0.0.1:{stack.ports['8000']}"
    with Client(url, token=stack.secret("admin_token")) as client:
        stack.until(lambda: bool(client.targets()), "it registers", "agent-1")
        (target,) = client.targets()
        assert target.device == "this-host"
        space = lpnet.zoo.space("resnet20")
        # Listed, so that it is done however disturbed this machine is.
        planned = plan(space, blocks=8, networks=4, seed=0)
        done = client.campaign(target.name, space, workloads=planned)
        assert (done.state, done.failed) == ("done", 0)
        assert len(psutil.Process(stack.running["api-1"].process.pid).children()) == 2
        # On samples of its own: how many of those that were just taken are undisturbed is up to
        # whatever else this machine does.
        stored = client.import_samples("table", _samples(space))
        assert stored.stored == 24
        assert client.train("table").target == "table"


def _samples(space: Space) -> list[Sample]:
    """Networks of a device whose time goes by MACs."""
    names = [width.name for width in space.widths]
    made = []
    for number in range(24):
        widths = [max(1, width.max - 2 * number % width.max) for width in space.widths]
        workload = SpaceWorkload(space=space.hash, widths=dict(zip(names, widths, strict=True)))
        ms = 1e-7 * space.macs(np.array(widths))
        made.append(Sample(kind="network", workload=workload, latency_ms=ms))
    return made


def _shows_no_secret(stack: Stack) -> None:
    secrets = [path.read_text().strip() for path in stack.secrets.iterdir()]
    shown = [log.read_text() for log in stack.folder.glob("*.log")]
    for process in left_of(stack.folder):
        shown += [*process.cmdline(), *process.environ().values()]
    assert not any(secret in text for secret in secrets for text in shown)
