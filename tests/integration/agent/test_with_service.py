"""An agent and a service as real processes on loopback, which die and come back."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lpnet.errors import Unreachable
from lpnet.http import Http
from lpnet.schemas.campaign import Campaign, NewCampaign
from lpnet.schemas.device import Target, TargetList
from lpnet.schemas.sample import SamplePage, StoredSample
from lpnet.schemas.workload import workload_key
from lpnet.space.space import Space

PATIENCE_S = 90.0


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
        page = self.http.get("/v1/samples", params={"target": self.target().name, "limit": 500})
        return list(SamplePage.model_validate(page).items)

    def spooled(self) -> int:
        return len(list(self.spool.glob("[0-9]*.json")))

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


def end(process: subprocess.Popen[bytes] | None, number: int, within_s: float = 10.0) -> int:
    """Signal a process and wait for it; its exit status."""
    assert process is not None
    process.send_signal(number)
    return process.wait(within_s)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    made = Pair(tmp_path)
    yield made
    made.close()


def test_a_campaign_is_measured(pair: Pair, space: Space) -> None:
    pair.start_service()
    pair.start_agent()
    campaign = pair.done(pair.ask(space, blocks=16, networks=4, repeats=3))
    assert (campaign.state, campaign.failed, campaign.failures) == ("done", 0, ())
    samples = pair.samples()
    assert campaign.measured == campaign.total == len(samples) == 23
    assert Counter(s.kind for s in samples)["network"] >= 4
    sessions: dict[str, set[str | None]] = {}
    for sample in samples:
        sessions.setdefault(workload_key(sample.workload), set()).add(sample.session)
    assert sum(len(found) > 1 for found in sessions.values()) >= 3
    target = pair.target()
    assert target.name.startswith("box-ort")
    assert target.spec.runtime == "onnxruntime"
    assert target.spec.threads == 1
    assert pair.spooled() == 0
    assert end(pair.agent, signal.SIGTERM) == 0


def test_an_agent_may_come_before_its_server(pair: Pair, space: Space) -> None:
    pair.start_agent()
    pair.until(lambda: pair.spool.is_dir(), "the agent starts")
    pair.start_service()
    assert pair.done(pair.ask(space, blocks=3, networks=1, repeats=0)).measured == 4


def test_a_server_that_dies_loses_nothing(pair: Pair, space: Space) -> None:
    pair.start_service()
    pair.start_agent(LPNET_AGENT_BLOCK_S="0.5")
    campaign = pair.ask(space, blocks=24, networks=2, repeats=0)
    pair.until(lambda: "job=" in _log(pair), "a job begins")
    end(pair.service, signal.SIGKILL)
    pair.service = None
    pair.until(lambda: pair.spooled() > 0, "results wait on disk")
    waiting = {
        sample["id"]
        for file in pair.spool.glob("[0-9]*.json")
        for sample in json.loads(file.read_text())["samples"]
    }
    pair.start_service()
    done = pair.done(campaign)
    assert (done.state, done.measured, done.failed) == ("done", 26, 0)
    stored = Counter(sample.id for sample in pair.samples())
    assert waiting
    assert waiting <= set(stored)
    assert set(stored.values()) == {1}
    assert pair.spooled() == 0


def test_results_wait_for_the_next_agent(pair: Pair, space: Space) -> None:
    """Server killed, agent ended, both started again: what was measured is stored once."""
    pair.start_service()
    pair.start_agent(LPNET_AGENT_BLOCK_S="0.5")
    campaign = pair.ask(space, blocks=24, networks=2, repeats=0)
    pair.until(lambda: "job=" in _log(pair), "a job begins")
    end(pair.service, signal.SIGKILL)
    pair.service = None
    pair.until(lambda: pair.spooled() > 0, "results wait on disk")
    assert end(pair.agent, signal.SIGTERM) == 0
    assert pair.spooled() > 0
    pair.agent = None
    pair.start_service()
    before = {sample.id for sample in pair.samples()}
    pair.start_agent()
    done = pair.done(campaign)
    assert (done.state, done.measured) == ("done", 26)
    after = Counter(sample.id for sample in pair.samples())
    assert len(after) == 26 > len(before)
    assert set(after.values()) == {1}
    assert pair.spooled() == 0


def test_an_agent_that_is_killed_is_replaced(pair: Pair, space: Space) -> None:
    pair.start_service(lease_s=3)
    pair.start_agent()
    campaign = pair.ask(space, blocks=30, networks=4, repeats=0)
    pair.until(lambda: pair.campaign(campaign).measured > 0, "measuring begins")
    end(pair.agent, signal.SIGKILL)
    pair.agent = None
    pair.start_agent()
    done = pair.done(campaign)
    assert (done.state, done.measured, done.failed) == ("done", 34, 0)
    assert set(Counter(sample.id for sample in pair.samples()).values()) == {1}


def test_a_server_with_a_new_database_is_registered_with_again(pair: Pair) -> None:
    pair.start_service()
    pair.start_agent()
    name = pair.target().name
    end(pair.service, signal.SIGTERM, within_s=15)
    pair.service = None
    for file in pair.folder.glob("lpnet.db*"):
        file.unlink()
    pair.start_service()
    assert pair.target().name == name


def test_an_end_in_the_middle_of_a_job_keeps_what_was_measured(pair: Pair, space: Space) -> None:
    pair.start_service()
    pair.start_agent(LPNET_AGENT_BLOCK_S="1.0")
    campaign = pair.ask(space, blocks=12, networks=0, repeats=0)
    pair.until(lambda: "job=" in _log(pair), "a job begins")
    assert end(pair.agent, signal.SIGTERM) == 0
    pair.agent = None
    kept = {sample.id for sample in pair.samples()}
    assert len(kept) < 12
    assert pair.spooled() == 0
    pair.start_agent()
    assert pair.done(campaign).measured == 12
    assert kept <= {sample.id for sample in pair.samples()}


def test_a_server_that_cannot_be_is_not_waited_for(tmp_path: Path) -> None:
    command = ("-m", "lpnet_agent", "run", "--server", "ftp://x", "--device", "box")
    done = subprocess.run(
        [sys.executable, *command, "--state-dir", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: 'ftp://x' is not the URL of a server")
    assert len(done.stderr.splitlines()) == 1


def test_another_machine_of_the_same_name_is_told_so(pair: Pair) -> None:
    pair.start_service()
    pair.start_agent()
    pair.target()
    assert end(pair.agent, signal.SIGTERM) == 0
    pair.agent = None
    pair.state = pair.folder / "other-machine"
    pair.start_agent()
    assert pair.agent is not None
    assert pair.agent.wait(60) == 1
    assert "error: device 'box' is another machine" in _log(pair)
    assert "--device" in _log(pair)


def test_a_lease_outlives_a_long_job(pair: Pair, space: Space) -> None:
    """Heartbeats hold a lease of 4 s while its job takes longer."""
    pair.start_service(lease_s=4)
    pair.start_agent(LPNET_AGENT_BLOCK_S="2.5")
    campaign = pair.done(pair.ask(space, blocks=10, networks=0, repeats=0))
    assert (campaign.measured, campaign.failed) == (10, 0)
    times = [sample.measured_at for sample in pair.samples() if sample.measured_at]
    assert (max(times) - min(times)).total_seconds() > 4
    assert "lease lost" not in _log(pair)
    assert "the lease is gone" not in _log(pair)


def test_an_agent_may_be_ended_before_it_has_begun(pair: Pair) -> None:
    pair.start_agent()
    pair.until((pair.state / "lock").exists, "the agent starts")
    assert end(pair.agent, signal.SIGTERM) == 0


def test_a_frozen_server_does_not_hold_the_agent(pair: Pair, space: Space) -> None:
    pair.start_service()
    pair.start_agent()
    pair.target()
    assert pair.service is not None
    pair.service.send_signal(signal.SIGSTOP)
    assert end(pair.agent, signal.SIGTERM, within_s=10) == 0


def _log(pair: Pair) -> str:
    return (pair.folder / "lpnet_agent.log").read_text()
