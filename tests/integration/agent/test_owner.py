"""Owners stay in charge of a real agent that measures for a real service."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.harness.processes import Running
from tests.harness.site import Site

from lpnet.schemas.device import Target
from lpnet_agent.measure.cores import choose

LAPTOP = Path(__file__).parents[2] / "trees" / "laptop"
CPUS = "sys/devices/system/cpu"
QUICK = {"LPNET_AGENT_CONDITION_S": "0.2"}
# So long that a job is still in hand when the next thing happens to it.
SLOW = {"LPNET_AGENT_BLOCK_S": "0.4"}
# For a measuring command, which is started without the settings of a site.
FAST = {"LPNET_AGENT_NETWORK_S": "0.03", "LPNET_AGENT_VISITS": "2", "LPNET_AGENT_GAP_S": "0"}
FAST |= {"LPNET_AGENT_CROWDED": "1"}


def command(site: Site, *words: str) -> str:
    """What `lpnet-agent` answers about the agent's folder."""
    done = subprocess.run(
        [sys.executable, "-m", "lpnet_agent", *words, "--state-dir", str(site.state.path)],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def condition(site: Site) -> tuple[str, str]:
    target: Target = site.target()
    return target.state, target.state_reason or ""


def attempts(site: Site) -> list[int]:
    with sqlite3.connect(site.database) as rows:
        found = [count for (count,) in rows.execute("SELECT attempts FROM jobs")]
    rows.close()
    return found


def until_paused(site: Site, agent: Running, words: str) -> None:
    site.until(lambda: condition(site)[0] == "paused", "the target is paused", agent)
    assert words in condition(site)[1]


def test_a_pause_in_the_middle_costs_nothing(site: Site) -> None:
    site.serve()
    agent = site.start_agent(environment=QUICK | SLOW)
    campaign = site.ask(blocks=16, networks=2)
    site.until(lambda: "job=" in agent.said, "a job begins", agent)
    said = command(site, "pause", "--for", "2h", "--reason", "backups run")
    end = (datetime.now() + timedelta(hours=2)).strftime("%H:")
    assert f"paused until {end}" in said
    assert said.endswith("is running: it stops after the current workload")
    until_paused(site, agent, "by its owner: backups run")
    assert "paused until" in command(site, "status")
    site.until(lambda: not site.state.spooled(), "what was measured is delivered", agent)
    assert site.campaign(campaign).measured < 18
    assert attempts(site)
    assert set(attempts(site)) == {0}

    # A pause survives the agent.
    assert agent.end() == 0
    agent = site.start_agent(environment=QUICK)
    site.until(lambda: agent.said.count("registered") == 2, "the next agent is there", agent)
    until_paused(site, agent, "backups run")
    assert command(site, "resume").startswith("no longer paused; the agent on ")
    assert len(site.complete(campaign)) == 18
    assert set(attempts(site)) <= {0, 1}
    site.until(lambda: condition(site)[0] == "idle", "the target waits for work again", agent)


def test_quiet_hours_begin(site: Site) -> None:
    begin, end = datetime.now() - timedelta(hours=1), datetime.now() + timedelta(hours=2)
    site.serve()
    agent = site.start_agent(
        environment=QUICK, LPNET_AGENT_QUIET_HOURS=f"{begin:%H:%M}-{end:%H:%M}"
    )
    campaign = site.ask(blocks=2)
    until_paused(site, agent, f"quiet hours until {end:%H:%M}")
    assert agent.end() == 0
    assert site.campaign(campaign).measured == 0
    site.start_agent(LPNET_AGENT_QUIET_HOURS=f"{end:%H:%M}-{begin:%H:%M}")
    assert len(site.complete(campaign)) == 2


@pytest.fixture
def root(site: Site) -> Path:
    """A laptop that also has the core that is measured here."""
    root: Path = site.folder / "root"
    shutil.copytree(LAPTOP, root, symlinks=True)
    (core,) = choose(1) or (0,)
    folder = root / CPUS / f"cpu{core}"
    if not folder.exists():
        folder.mkdir()
        (folder / "cpufreq").symlink_to("../cpufreq/policy0")
    return root


def heat(root: Path, celsius: int) -> None:
    for zone in (root / "sys/class/thermal").glob("thermal_zone*"):
        (zone / "temp").write_text(f"{celsius * 1000}\n")


def test_a_hot_device_rests_until_it_is_cool(site: Site, root: Path) -> None:
    heat(root, 90)
    site.serve()
    agent = site.start_agent(
        environment=QUICK, LPNET_AGENT_ROOT=str(root), LPNET_AGENT_MAX_TEMPERATURE_C="80"
    )
    campaign = site.ask(blocks=2)
    until_paused(site, agent, "too hot: 90.0 C is above the owner's limit of 80 C")
    heat(root, 70)
    assert len(site.complete(campaign)) == 2
    assert set(attempts(site)) <= {0, 1}


def test_a_limit_that_cannot_be_kept_ends_the_agent(site: Site) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "lpnet_agent", "run", "--state-dir", str(site.state.path)),
            *("--device", "box", "--max-temperature-c", "80", "--mains-only"),
        ],
        env={"PATH": "/usr/bin:/bin", "LPNET_AGENT_ROOT": str(site.folder)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "max_temperature_c=80: this device exposes no temperature" in done.stderr
    assert "on_battery=false: this device exposes no battery" in done.stderr
    assert done.stderr.count("\n") == 1, "nothing was started before"
