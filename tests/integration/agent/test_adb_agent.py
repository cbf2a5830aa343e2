"""An agent with a phone: from a campaign to a table, and what may befall the phone meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from tests.harness.adb import AdbServer, Phone, Program, program
from tests.harness.processes import Running
from tests.harness.site import Site

from lpnet.schemas.sample import Sample
from lpnet.space.space import Space
from lpnet_demo.processes import LocalLoop

pytest.importorskip("ai_edge_litert")

# Budgets so short that a test is over soon; the figures need not be good.
FAST = {
    "LPNET_AGENT_BLOCK_S": "0.02",
    "LPNET_AGENT_NETWORK_S": "0.04",
    "LPNET_AGENT_VISITS": "2",
    "LPNET_AGENT_GAP_S": "0",
    "LPNET_AGENT_CROWDED": "1",
    "LPNET_AGENT_DRIFT_PCT": "1e9",
    "LPNET_AGENT_BROKEN_PCT": "1e9",
}


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Program:
    return program(tmp_path_factory.mktemp("runner"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[AdbServer]:
    made = AdbServer(tmp_path / "adb")
    yield made
    made.stop()


@pytest.fixture
def phone(tmp_path: Path, server: AdbServer) -> Iterator[Phone]:
    made = Phone(tmp_path / "phone")
    server.connect(made)
    yield made
    made.close()


@pytest.fixture
def wired(phone: Phone, server: AdbServer, runner: Program) -> Mapping[str, str]:
    """Settings of an agent for the phone."""
    return {**FAST, **server.environment, **runner.settings, "LPNET_AGENT_ADB": phone.serial}


@pytest.fixture
def site(tmp_path: Path, space: Space) -> Iterator[Site]:
    made = Site(tmp_path, space, service={"LPNET_LEASE_S": "20"})
    yield made
    made.close()


def command(
    script: str, *arguments: str, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).parent / script), *arguments],
        env={**os.environ, **environment, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[LocalLoop]:
    """A service that trains; the agent is the test's."""
    with LocalLoop(tmp_path / "loop", agent=False) as running:
        yield running


@pytest.mark.slow
def test_from_profile_to_table(
    loop: LocalLoop, wired: Mapping[str, str], phone: Phone, tmp_path: Path
) -> None:
    run = ("run", "--server", loop.url, "--state-dir", str(tmp_path / "state"))
    agent = Running("lpnet-agent", run, tmp_path / "agent.log", tmp_path, wired)
    try:
        _profile_and_look(loop, agent)
    finally:
        agent.ask_to_end()
        agent.put_down()
    assert not (phone.data / "lpnet").exists()


def _profile_and_look(loop: LocalLoop, agent: Running) -> None:
    until(lambda: bool(loop.client.targets()), agent)
    (target,) = loop.client.targets()
    assert target.name.startswith("linux-phone-litert-cpu-fp32-t1")
    assert target.spec.runtime == "litert"
    url = {"LPNET_URL": loop.url}
    asked = ("--blocks", "20", "--networks", "14", "--pruned", "0", "--repeats", "2")
    done = command("lpnet", "profile", target.name, "resnet20", *asked, environment=url)
    assert done.returncode == 0, done.stderr + agent.said
    table = command("lpnet", "table", target.name, "--json", environment=url)
    rows = json.loads(table.stdout)
    assert len(rows) >= 34
    assert all(row["latency_ms"] > 0 and row["predicted_ms"] > 0 for row in rows)
    networks = [row["latency_ms"] for row in rows if row["kind"] == "network"]
    blocks = [row["latency_ms"] for row in rows if row["kind"] == "block"]
    assert min(networks) > sorted(blocks)[len(blocks) // 2]


def until(reached: Callable[[], bool], agent: Running) -> None:
    end = time.monotonic() + 90
    while not reached():
        assert agent.alive, agent.said
        assert time.monotonic() < end, agent.said
        time.sleep(0.1)


def start_job(site: Site, wired: Mapping[str, str]) -> Running:
    site.serve()
    return site.start_agent(environment=wired)


def test_a_phone_that_is_unplugged_is_waited_for(
    site: Site, wired: Mapping[str, str], phone: Phone
) -> None:
    agent = start_job(site, wired)
    campaign = site.ask(blocks=6)
    site.under_way(campaign, agent)
    phone.cable.set("refused")
    site.until(lambda: site.target().state == "paused", "the target is paused", agent)
    assert phone.serial in (site.target().state_reason or "")
    phone.cable.set("open")
    samples = site.complete(campaign)
    assert len(samples) == 6


@pytest.mark.slow
def test_a_phone_that_is_restarted_goes_on(
    site: Site, wired: Mapping[str, str], phone: Phone
) -> None:
    """What was on it is gone with its memory, benchmark_model too."""
    agent = start_job(site, wired)
    campaign = site.ask(blocks=6)
    site.under_way(campaign, agent)
    phone.restart()
    assert len(site.complete(campaign)) == 6
    assert agent.alive


@pytest.mark.slow
def test_a_full_phone_is_said_to_be_full(
    site: Site, wired: Mapping[str, str], phone: Phone
) -> None:
    agent = start_job(site, wired)
    site.target()
    site.until(lambda: bool(list((phone.data / "lpnet").glob("*/*.tflite"))), "it measures", agent)
    phone.fill()
    campaign = site.ask(blocks=4)
    site.until(lambda: site.target().state == "paused", "the target is paused", agent)
    assert "is full: free" in (site.target().state_reason or "")
    phone.free()
    assert len(site.complete(campaign)) == 4


def test_an_agent_without_its_phone_says_what_to_do(
    site: Site, wired: Mapping[str, str], phone: Phone
) -> None:
    run = ("run", "--state-dir", str(site.state.path), "--adb", phone.serial)
    phone.fill()
    full = command("lpnet-agent", *run, environment=wired)
    assert (full.returncode, "is full: free" in full.stderr) == (1, True)
    phone.cable.set("refused")
    refused = command("lpnet-agent", *run, environment=wired)
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"error: phone {phone.serial} ")
    assert "adb" in refused.stderr
    unknown = command("lpnet-agent", "run", "--adb", "0123", environment=wired)
    assert "error: phone 0123 is not connected: plug it in" in unknown.stderr
    unset = {**wired, "LPNET_AGENT_BENCHMARK_MODEL_SHA256": "f" * 64}
    wrong = command("lpnet-agent", *run, environment=unset)
    assert "not the expected benchmark_model" in wrong.stderr


def test_measuring_without_a_server(
    tmp_path: Path, wired: Mapping[str, str], space_file: Path, phone: Phone
) -> None:
    out = tmp_path / "samples.jsonl"
    folder = ("--state-dir", str(tmp_path / "state"))
    asked = ("--space", str(space_file), "--out", str(out), "--blocks", "2", "--networks", "1")
    done = command("lpnet-agent", "measure", *asked, *folder, "--json", environment=wired)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["target"]["runtime"] == "litert"
    samples = [Sample.model_validate_json(line) for line in out.read_text().splitlines()]
    assert len([sample for sample in samples if sample.sentinel is None]) == 3
    assert not (phone.data / "lpnet").exists()


def test_the_doctor_examines_a_phone(tmp_path: Path, wired: Mapping[str, str]) -> None:
    folder = ("--state-dir", str(tmp_path / "state"))
    done = command("lpnet-agent", "doctor", *folder, "--json", environment=wired)
    found = {each["name"]: each for each in json.loads(done.stdout)["findings"]}
    assert found["phone"]["verdict"] == "ok"
    assert "linux-phone, Tests T1000, Android 14" in found["phone"]["seen"]
    assert found["temperature"]["seen"].startswith("hottest of 2 zones: BIG at 43.2 C")
    assert found["throttling now"]["verdict"] == "ok"
    assert "plugged in, battery at 84%" in found["power supply"]["seen"]
    assert "MiB free" in found["free space on the phone"]["seen"]
    assert "arithmetic" in found["noise between sessions"]["seen"]
    away = {**wired, "LPNET_AGENT_ADB": "0123"}
    lost = command("lpnet-agent", "doctor", *folder, environment=away)
    assert lost.returncode == 1
    assert "phone 0123 is not connected" in lost.stdout
    assert "Not fit for measuring, because of: phone." in lost.stdout
