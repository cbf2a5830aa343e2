"""An agent and a service as real processes on loopback, which die and come back."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from lpnet.schemas.workload import workload_key
from lpnet.space.space import Space

PATIENCE_S = 90.0

# Of conftest.py.
Pair = Any


def end(process: subprocess.Popen[bytes] | None, number: int, within_s: float = 10.0) -> int:
    """Signal a process and wait for it; its exit status."""
    assert process is not None
    process.send_signal(number)
    return process.wait(within_s)


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
    pair.until(lambda: "job=" in pair.log(), "a job begins")
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


def test_a_lease_outlives_a_long_job(pair: Pair, space: Space) -> None:
    """Heartbeats hold a lease of 4 s while its job takes longer."""
    pair.start_service(lease_s=4)
    pair.start_agent(LPNET_AGENT_BLOCK_S="2.5")
    campaign = pair.done(pair.ask(space, blocks=10, networks=0, repeats=0))
    assert (campaign.measured, campaign.failed) == (10, 0)
    times = [sample.measured_at for sample in pair.samples() if sample.measured_at]
    assert (max(times) - min(times)).total_seconds() > 4
    assert "lease lost" not in pair.log()
    assert "the lease is gone" not in pair.log()


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
