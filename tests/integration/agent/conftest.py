"""A small space, the measuring processes of the agent on it, and an agent with its service."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lpnet import zoo
from lpnet.errors import Unreachable
from lpnet.http import Http
from lpnet.schemas.campaign import Campaign, NewCampaign
from lpnet.schemas.device import Target, TargetList
from lpnet.schemas.sample import SamplePage, StoredSample
from lpnet.schemas.workload import SpaceWorkload
from lpnet.space.space import Space
from lpnet_agent.measure.cores import choose
from lpnet_agent.measure.messages import Item, Setup
from lpnet_agent.stop import Stop

PATIENCE_S = 90.0


@pytest.fixture(scope="session")
def space() -> Space:
    return zoo.space("resnet20")


@pytest.fixture(scope="session")
def space_file(space: Space, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("spaces") / "resnet20.onnx"
    space.save(path)
    return path


@pytest.fixture(scope="session")
def setup() -> Setup:
    """Budgets so short that a test is over soon; the figures need not be good."""
    return Setup(runtime="onnxruntime", threads=1, cores=choose(1), block_s=0.01, network_s=0.03)


@pytest.fixture
def stop() -> Iterator[Stop]:
    made = Stop()
    yield made
    made.close()


@pytest.fixture(scope="session")
def block_item(space: Space) -> Callable[[int], Item]:
    """The block of that number at its full width."""

    def make(number: int) -> Item:
        part = space.block(space.blocks[number].name)
        workload = SpaceWorkload(space=space.hash, block=part.name, widths=part.named(part.dense))
        return Item(kind="block", workload=workload, draw="dense")

    return make


@pytest.fixture(scope="session")
def network_item(space: Space) -> Item:
    workload = SpaceWorkload(space=space.hash, widths=space.named(space.dense))
    return Item(kind="network", workload=workload, draw="dense")


class Pair:
    """A service and an agent that keep what they know in `folder`, whoever is running."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "agent"
        self.spool = self.state / "spool"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.http = Http(f"http://127.0.0.1:{self.port}", attempts=1, timeout=10)
        self.service: subprocess.Popen[bytes] | None = None
        self.agent: subprocess.Popen[bytes] | None = None

    def start_service(self, lease_s: int = 6) -> None:
        self.service = self._start(
            *("lpnet_service", "run", "--port", str(self.port), "--no-worker"),
            LPNET_DATABASE_URL=f"sqlite:///{self.folder / 'lpnet.db'}",
            LPNET_LEASE_S=str(lease_s),
            LPNET_RETRY_S="0",
        )
        self.until(self._answers, "the service answers")

    def start_agent(self, **settings: str) -> None:
        fast = {"LPNET_AGENT_BLOCK_S": "0.01", "LPNET_AGENT_NETWORK_S": "0.03"}
        fast["LPNET_AGENT_POLL_S"] = "1"
        # So short a reading on a machine that runs tests drifts by itself.
        fast |= {"LPNET_AGENT_DRIFT_PCT": "200", "LPNET_AGENT_BROKEN_PCT": "1e6"}
        self.agent = self._start(
            *("lpnet_agent", "run", "--server", f"http://127.0.0.1:{self.port}"),
            *("--device", "box", "--state-dir", str(self.state)),
            **(fast | settings),
        )

    def target(self) -> Target:
        """The agent's target, once it has registered."""
        self.until(lambda: bool(self._targets()), "the agent registers")
        return self._targets()[0]

    def ask(self, space: Space, *, blocks: int, networks: int, repeats: int) -> Campaign:
        self.http.post_bytes("/v1/spaces", space.to_bytes())
        wanted = NewCampaign(
            target=self.target().name,
            space=space.hash,
            blocks=blocks,
            networks=networks,
            repeats=repeats,
            pruned=0,
        )
        return Campaign.model_validate(self.http.post("/v1/campaigns", wanted))

    def done(self, campaign: Campaign) -> Campaign:
        """The campaign once it has ended."""
        self.until(lambda: self.campaign(campaign).state != "running", "the campaign ends")
        return self.campaign(campaign)

    def campaign(self, campaign: Campaign) -> Campaign:
        return Campaign.model_validate(self.http.get(f"/v1/campaigns/{campaign.id}"))

    def samples(self) -> list[StoredSample]:
        """Oldest first, sentinels left out."""
        page = self.http.get("/v1/samples", params={"target": self.target().name, "limit": 1000})
        items = SamplePage.model_validate(page).items
        return [sample for sample in items if sample.sentinel is None]

    def spooled(self) -> int:
        return len(list(self.spool.glob("[0-9]*.json")))

    def waiting(self) -> set[str]:
        """Ids of the samples of jobs that wait on disk; sentinels left out."""
        parcels = [json.loads(file.read_text()) for file in self.spool.glob("[0-9]*.json")]
        samples = (sample for parcel in parcels for sample in parcel["samples"])
        return {sample["id"] for sample in samples if "sentinel" not in sample}

    def log(self) -> str:
        return (self.folder / "lpnet_agent.log").read_text()

    def until(self, reached: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + PATIENCE_S
        while not reached():
            logs = "\n".join(
                file.read_text()[-3000:] for file in sorted(self.folder.glob("*.log"))
            )
            assert time.monotonic() < end, f"never happened: {what}\n{logs}"
            for process in (self.service, self.agent):
                assert process is None or process.poll() is None, f"ended: {what}\n{logs}"
            time.sleep(0.05)

    def end_agent(self, number: int = signal.SIGTERM, within_s: float = 10.0) -> int:
        """Signal the agent and wait for it; its exit status."""
        assert self.agent is not None
        process, self.agent = self.agent, None
        process.send_signal(number)
        return process.wait(within_s)

    def close(self) -> None:
        for process in (self.agent, self.service):
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.send_signal(signal.SIGTERM)
                process.wait(20)
        self.http.close()

    def _start(self, module: str, *arguments: str, **settings: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{module}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                env=os.environ | settings,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _answers(self) -> bool:
        try:
            self.http.get("/healthz")
        except Unreachable:
            return False
        return True

    def _targets(self) -> tuple[Target, ...]:
        return TargetList.model_validate(self.http.get("/v1/targets")).items


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    made = Pair(tmp_path)
    yield made
    made.close()
