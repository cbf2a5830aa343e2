"""Owners stay in charge of a real agent that measures for a real service."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lpnet.schemas.device import Target
from lpnet.space.space import Space
from lpnet_agent.measure.cores import choose

# Of conftest.py.
Pair = Any

LAPTOP = Path(__file__).parents[2] / "trees" / "laptop"
CPUS = "sys/devices/system/cpu"
QUICK = {"LPNET_AGENT_CONDITION_S": "0.2"}
# So long that a job is still in hand when the next thing happens to it.
SLOW = {"LPNET_AGENT_BLOCK_S": "0.4"}


def command(pair: Pair, *words: str) -> str:
    """What `lpnet-agent` answers about the pair's folder."""
    done = subprocess.run(
        [sys.executable, "-m", "lpnet_agent", *words, "--state-dir", str(pair.state)],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def condition(pair: Pair) -> tuple[str, str]:
    target: Target = pair.target()
    return target.state, target.state_reason or ""


def attempts(pair: Pair) -> list[int]:
    with sqlite3.connect(pair.folder / "lpnet.db") as rows:
        found = [count for (count,) in rows.execute("SELECT attempts FROM jobs")]
    rows.close()
    return found


def until_paused(pair: Pair, words: str) -> None:
    pair.until(lambda: condition(pair)[0] == "paused", "the target is paused")
    assert words in condition(pair)[1]


def test_a_pause_in_the_middle_costs_nothing(pair: Pair, space: Space) -> None:
    pair.start_service()
    pair.start_agent(**QUICK, **SLOW)
    campaign = pair.ask(space, blocks=16, networks=2, repeats=0)
    pair.until(lambda: "job=" in pair.log(), "a job begins")
    said = command(pair, "pause", "--for", "2h", "--reason", "backups run")
    end = (datetime.now() + timedelta(hours=2)).strftime("%H:")
    assert f"paused until {end}" in said
    assert said.endswith("is running and will stop after the workload in hand")
    until_paused(pair, "by its owner: backups run")
    assert "paused until" in command(pair, "status")
    pair.until(lambda: pair.spooled() == 0, "what was measured is delivered")
    assert pair.campaign(campaign).measured < 18
    assert attempts(pair)
    assert set(attempts(pair)) == {0}

    # A pause survives the agent.
    assert pair.end_agent() == 0
    pair.start_agent(**QUICK)
    pair.until(lambda: pair.log().count("registered") == 2, "the next agent is there")
    until_paused(pair, "backups run")
    assert command(pair, "resume").startswith("not paused any more; the agent on ")
    done = pair.done(campaign)
    assert (done.state, done.measured, done.failed) == ("done", 18, 0)
    assert set(attempts(pair)) <= {0, 1}
    pair.until(lambda: condition(pair)[0] == "idle", "the target waits for work again")
    assert len(pair.samples()) == 18


def test_quiet_hours_begin(pair: Pair, space: Space) -> None:
    begin, end = datetime.now() - timedelta(hours=1), datetime.now() + timedelta(hours=2)
    pair.start_service()
    pair.start_agent(LPNET_AGENT_QUIET_HOURS=f"{begin:%H:%M}-{end:%H:%M}", **QUICK)
    campaign = pair.ask(space, blocks=2, networks=0, repeats=0)
    until_paused(pair, f"quiet hours until {end:%H:%M} by its owner")
    assert pair.end_agent() == 0
    assert pair.campaign(campaign).measured == 0
    pair.start_agent(LPNET_AGENT_QUIET_HOURS=f"{end:%H:%M}-{begin:%H:%M}")
    assert pair.done(campaign).measured == 2


@pytest.fixture
def root(pair: Pair) -> Path:
    """A laptop that also has the core that is measured here."""
    root: Path = pair.folder / "root"
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


def test_a_hot_device_rests_until_it_is_cool(pair: Pair, space: Space, root: Path) -> None:
    heat(root, 90)
    pair.start_service()
    pair.start_agent(LPNET_AGENT_ROOT=str(root), LPNET_AGENT_MAX_TEMPERATURE_C="80", **QUICK)
    campaign = pair.ask(space, blocks=2, networks=0, repeats=0)
    until_paused(pair, "too hot: 90.0 C is above the owner's limit of 80 C")
    heat(root, 70)
    assert pair.done(campaign).measured == 2
    assert set(attempts(pair)) <= {0, 1}


def test_a_limit_that_cannot_be_kept_ends_the_agent(pair: Pair) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "lpnet_agent", "run", "--state-dir", str(pair.state)),
            *("--device", "box", "--max-temperature-c", "80", "--mains-only"),
        ],
        env={"PATH": "/usr/bin:/bin", "LPNET_AGENT_ROOT": str(pair.folder)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "max_temperature_c=80: this device exposes no temperature" in done.stderr
    assert "on_battery=false: this device exposes no battery" in done.stderr


# --- changes on the device


def clocks(root: Path) -> tuple[str, str]:
    """Governor of the measured core, and the switch of turbo."""
    (core,) = choose(1) or (0,)
    governor = root / CPUS / f"cpu{core}/cpufreq/scaling_governor"
    return governor.read_text().strip(), (
        root / CPUS / "intel_pstate/no_turbo"
    ).read_text().strip()


AS_IT_WAS = ("powersave", "0")
CHANGED = ("performance", "1")


@pytest.fixture
def changing(pair: Pair, root: Path) -> Iterator[dict[str, str]]:
    """Settings of an agent that changes clocks below `root`, and has its own temporary folder."""
    temporary = pair.folder / "tmp"
    temporary.mkdir()
    yield {
        "LPNET_AGENT_ROOT": str(root),
        "LPNET_AGENT_GOVERNOR": "performance",
        "LPNET_AGENT_TURBO": "off",
        "TMPDIR": str(temporary),
    }
    assert list(temporary.iterdir()) == []


def test_clocks_are_changed_only_while_it_measures(
    pair: Pair, space: Space, root: Path, changing: dict[str, str]
) -> None:
    pair.start_service()
    pair.start_agent(**changing, **SLOW, **QUICK)
    campaign = pair.ask(space, blocks=8, networks=0, repeats=0)
    pair.until(lambda: clocks(root) == CHANGED, "clocks are changed")
    command(pair, "pause")
    until_paused(pair, "paused by its owner")
    pair.until(lambda: clocks(root) == AS_IT_WAS, "clocks are as before while it is paused")
    command(pair, "resume")
    assert pair.done(campaign).measured == 8
    pair.until(lambda: clocks(root) == AS_IT_WAS, "clocks are as before while it is idle")
    assert pair.target().spec.clock_policy == "performance"
    assert pair.end_agent() == 0
    assert clocks(root) == AS_IT_WAS


@pytest.mark.parametrize("seed", range(3))
def test_killed_while_it_measures_it_leaves_nothing(
    seed: int, pair: Pair, space: Space, root: Path, changing: dict[str, str]
) -> None:
    pair.start_service(lease_s=2)
    pair.start_agent(**changing, **SLOW)
    campaign = pair.ask(space, blocks=8, networks=0, repeats=0)
    pair.until(lambda: clocks(root) == CHANGED, "clocks are changed")
    time.sleep(random.Random(seed).uniform(0, 1.5))  # any moment will do
    assert pair.end_agent(signal.SIGKILL) == -signal.SIGKILL
    pair.until(lambda: clocks(root) == AS_IT_WAS, "the guardian puts them back")
    journal = pair.state / "changes.json"
    pair.until(lambda: not journal.exists(), "the guardian is done")
    assert list((pair.folder / "tmp").iterdir()) == []
    pair.start_agent(**changing)
    assert pair.done(campaign).measured == 8
    pair.until(lambda: clocks(root) == AS_IT_WAS, "clocks are as before")


def test_measuring_without_a_server_changes_clocks_too(
    pair: Pair, space_file: Path, root: Path, changing: dict[str, str]
) -> None:
    out = pair.folder / "samples.jsonl"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "lpnet_agent", "measure", "--space", str(space_file)),
            *("--out", str(out), "--blocks", "1", "--networks", "0", "--json"),
        ],
        env=os.environ | changing | {"LPNET_AGENT_STATE_DIR": str(pair.state)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["target"]["clock_policy"] == "performance"
    assert "changed" in done.stderr
    assert clocks(root) == AS_IT_WAS
    assert not (pair.state / "changes.json").exists()
