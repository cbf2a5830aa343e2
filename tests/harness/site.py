"""A service and the agents of one device, as real processes whose faults a test makes."""

from __future__ import annotations

import json
import socket
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from tests.harness.processes import PATIENCE_S, Running, left_of
from tests.harness.threaded import ThreadedService

from lpnet.errors import ServerUnreachable
from lpnet.http import Http
from lpnet.schemas.campaign import Campaign, NewCampaign
from lpnet.schemas.device import Target, TargetList
from lpnet.schemas.sample import SamplePage, StoredSample
from lpnet.space.space import Space
from lpnet_service.settings import Settings

# So short a measurement is often disturbed; what is offered again for that is tested elsewhere.
_SERVICE = {
    "LPNET_RETRY_S": "0",
    "LPNET_POLL_S": "0.1",
    "LPNET_DISTURBED_RETRIES": "0",
    "LPNET_REPEAT_PAUSE_S": "0",
}
# Budgets so short that a test is over soon; the figures need not be good, and how patiently a
# workload is visited until two visits agree is not what is tested here.
HURRIED_AGENT = {
    "LPNET_AGENT_BLOCK_S": "0.01",
    "LPNET_AGENT_NETWORK_S": "0.03",
    "LPNET_AGENT_VISITS": "2",
    "LPNET_AGENT_GAP_S": "0",
    "LPNET_AGENT_CROWDED": "1",
    "LPNET_AGENT_POLL_S": "0.5",
    # The machine that tests run on is busy: so short a reading drifts by itself.
    "LPNET_AGENT_DRIFT_PCT": "1e9",
    "LPNET_AGENT_BROKEN_PCT": "1e9",
}
_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class AgentFolder:
    """The state folder of an agent, as seen from outside."""

    path: Path

    @property
    def spool(self) -> Path:
        return self.path / "spool"

    def spooled(self) -> list[Path]:
        return sorted(self.spool.glob("[0-9]*.json"))

    def waiting(self) -> dict[str, float]:
        """Latencies in ms of the job's samples that wait to be delivered, by their ids."""
        spooled = [json.loads(file.read_text()) for file in self.spooled()]
        samples = (sample for result in spooled for sample in result["samples"])
        return {s["id"]: s["latency_ms"] for s in samples if s.get("sentinel") is None}

    def set_aside(self) -> list[Path]:
        return sorted((self.spool / "set-aside").glob("*.json"))


class Site:
    """Everything of a test lives in `folder`; `close` ends it and finds what was left behind.

    `service` and `agent` are settings of all that are started here, beside those of every test.
    """

    def __init__(
        self,
        folder: Path,
        space: Space,
        service: Mapping[str, str] = _NONE,
        agent: Mapping[str, str] = _NONE,
    ) -> None:
        self.folder = folder
        self.space = space
        self.database = folder / "lpnet.db"
        self.port = free_port()
        self.http = Http(f"http://127.0.0.1:{self.port}", attempts=1, timeout=30)
        self.state = AgentFolder(folder / "agent")
        url = {"LPNET_DATABASE_URL": f"sqlite:///{self.database}"}
        self._service_settings = _SERVICE | url | dict(service)
        self._agent_settings = HURRIED_AGENT | dict(agent)
        self._running: list[Running] = []
        self._served: ThreadedService | None = None

    def serve(self, **settings: str) -> None:
        """A service in this process, there at once: where it is not the service that ends."""
        variables = self._service_settings | settings
        values = {name.removeprefix("LPNET_").lower(): value for name, value in variables.items()}
        self._served = ThreadedService(self.port, Settings.model_validate(values))

    def start_service(self, wrapper: Sequence[str] = (), **settings: str) -> Running:
        """Start the service as processes of its own, and wait until it answers."""
        service = self._start(
            "lpnet-service",
            ("run", "--port", str(self.port), "--no-worker"),
            "service",
            self._service_settings | settings,
            wrapper,
        )
        self.until(self._answers, "the service answers", service)
        return service

    def start_agent(
        self,
        name: str = "agent",
        *,
        state: Path | None = None,
        port: int | None = None,
        wrapper: Sequence[str] = (),
        environment: Mapping[str, str] = _NONE,
        **settings: str,
    ) -> Running:
        """Start an agent; `name` is that of its log, `port` the way it takes to the service."""
        server = f"http://127.0.0.1:{port or self.port}"
        folder = str(state or self.state.path)
        return self._start(
            "lpnet-agent",
            ("run", "--server", server, "--device", "box", "--state-dir", folder),
            name,
            self._agent_settings | settings | dict(environment),
            wrapper,
        )

    def _start(
        self,
        script: str,
        arguments: Sequence[str],
        name: str,
        environment: dict[str, str],
        wrapper: Sequence[str],
    ) -> Running:
        log = self.folder / f"{name}.log"
        running = Running(script, arguments, log, self.folder, environment, wrapper)
        self._running.append(running)
        return running

    def ask(self, *, blocks: int, networks: int = 0, repeats: int = 0) -> Campaign:
        """Ask for a campaign on the agent's target."""
        self.http.post_bytes("/v1/spaces", self.space.to_bytes())
        campaign = NewCampaign(
            target=self.target().name,
            space=self.space.hash,
            blocks=blocks,
            networks=networks,
            repeats=repeats,
            pruned=0,
        )
        return Campaign.model_validate(self.http.post("/v1/campaigns", campaign))

    def campaign(self, campaign: Campaign) -> Campaign:
        return Campaign.model_validate(self.http.get(f"/v1/campaigns/{campaign.id}"))

    def target(self) -> Target:
        """The agent's target, as soon as that has registered."""
        self.until(lambda: bool(self._targets()), "the agent registers")
        return self._targets()[0]

    def samples(self, campaign: Campaign | None = None) -> list[StoredSample]:
        """Samples of workloads that somebody asked for, in the order they were stored."""
        of = campaign.id if campaign else None
        query = {"target": self.target().name, "campaign": of, "limit": 1000}
        page = self.http.get("/v1/samples", params=query)
        return [s for s in SamplePage.model_validate(page).items if s.sentinel is None]

    def under_way(self, campaign: Campaign, agent: Running) -> None:
        """Wait until an agent has measured a part of a campaign."""
        self.until(lambda: self.campaign(campaign).measured > 0, "measuring begins", agent)

    def complete(self, campaign: Campaign) -> list[StoredSample]:
        """The samples of a campaign once it has ended: every item is there, and there once."""
        self.until(
            lambda: self.campaign(campaign).state != "running", "the campaign ends", every_s=0.2
        )
        ended = self.campaign(campaign)
        # Whether most samples are undisturbed, and so the state, depends on the machine.
        assert ended.state in ("done", "failed")
        assert ended.failed == 0
        assert set(Counter(sample.id for sample in self.samples()).values()) == {1}
        of_it = self.samples(campaign)
        assert ended.measured == ended.total == len(of_it)
        return of_it

    def until(
        self, reached: Callable[[], bool], what: str, *needed: Running, every_s: float = 0.02
    ) -> None:
        """Wait for what other processes do; those that are `needed` for it must stay alive. What
        takes long and ends for good is looked for less often, as they need the cores."""
        end = time.monotonic() + PATIENCE_S
        while not reached():
            assert time.monotonic() < end, f"never happened: {what}\n{self._logs()}"
            assert all(process.alive for process in needed), (
                f"ended before: {what}\n{self._logs()}"
            )
            time.sleep(every_s)

    def nothing_left_but(self, *those: Running) -> None:
        """Wait until all else that was started here is gone, with what came of it."""
        pids = {pid for process in those for pid in process.family}
        self.until(
            lambda: {p.pid for p in left_of(self.folder)} <= pids, "the others end", every_s=0.1
        )

    def close(self) -> None:
        # All at once: an agent keeps what it can no longer deliver.
        for running in self._running:
            running.ask_to_end()
        for running in self._running:
            running.put_down()
        self.http.close()
        if self._served:
            self._served.close()
        try:
            self.nothing_left_but()
        finally:
            for process in left_of(self.folder):
                process.kill()

    def _logs(self) -> str:
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(f"--- {log.name}\n{log.read_text()[-4000:]}" for log in logs)

    def _answers(self) -> bool:
        try:
            self.http.get("/healthz")
        except ServerUnreachable:
            return False
        return True

    def _targets(self) -> tuple[Target, ...]:
        return TargetList.model_validate(self.http.get("/v1/targets")).items


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
