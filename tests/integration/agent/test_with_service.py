"""An agent and a service as real processes on loopback, which die and come back."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.harness.processes import PATIENCE_S
from tests.harness.site import Site

from lpnet.schemas.workload import workload_key


def test_a_campaign_is_measured(site: Site) -> None:
    site.start_service()
    agent = site.start_agent()
    samples = site.complete(site.ask(blocks=16, networks=4, repeats=3))
    assert len(samples) == 23
    assert Counter(s.kind for s in samples)["network"] >= 4
    sessions: dict[str, set[str | None]] = {}
    for sample in samples:
        sessions.setdefault(workload_key(sample.workload), set()).add(sample.session)
    assert sum(len(found) > 1 for found in sessions.values()) >= 3
    target = site.target()
    assert target.name.startswith("box-ort")
    assert target.spec.runtime == "onnxruntime"
    assert target.spec.threads == 1
    assert site.state.spooled() == []
    assert agent.end() == 0


def test_an_agent_may_come_before_its_server(site: Site) -> None:
    agent = site.start_agent()
    site.until(site.state.spool.is_dir, "the agent starts", agent)
    site.start_service()
    assert len(site.complete(site.ask(blocks=3, networks=1))) == 4


def test_a_server_with_a_new_database_is_registered_with_again(site: Site) -> None:
    service = site.start_service()
    site.start_agent()
    name = site.target().name
    service.end()
    for file in site.folder.glob("lpnet.db*"):
        file.unlink()
    site.start_service()
    assert site.target().name == name


def test_an_end_in_the_middle_of_a_job_keeps_what_was_measured(site: Site) -> None:
    site.serve()
    first = site.start_agent(LPNET_AGENT_BLOCK_S="0.6")
    campaign = site.ask(blocks=24)
    site.under_way(campaign, first)
    assert first.end() == 0
    kept = {sample.id for sample in site.samples()}
    assert 0 < len(kept) < 24
    assert site.state.spooled() == []
    site.start_agent()
    assert kept <= {sample.id for sample in site.complete(campaign)}


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


def test_a_lease_outlives_a_long_job(site: Site) -> None:
    """Heartbeats hold a lease of 3 s while its job takes longer, much of it at rest."""
    site.serve(LPNET_LEASE_S="3")
    agent = site.start_agent(LPNET_AGENT_GAP_S="5")
    site.complete(site.ask(blocks=6))
    assert agent.said.count("job=") == 1
    assert "lease lost" not in agent.said
    assert "the lease expired" not in agent.said


def test_an_agent_may_be_ended_before_it_has_begun(site: Site) -> None:
    agent = site.start_agent()
    site.until((site.state.path / "lock").exists, "the agent starts", agent)
    assert agent.end() == 0


def test_a_frozen_server_does_not_hold_the_agent(site: Site) -> None:
    service = site.start_service()
    agent = site.start_agent()
    site.target()
    service.process.send_signal(signal.SIGSTOP)
    assert agent.end() == 0
