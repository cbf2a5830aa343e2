"""Changes on a device are put back: by whom, when, and whatever is killed at which moment."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from lpnet_agent.changes.changes import Changes
from lpnet_agent.changes.wishes import Wishes
from lpnet_agent.errors import BadSetup

LAPTOP = Path(__file__).parents[2] / "trees" / "laptop"
CPUS = "sys/devices/system/cpu"
BOTH = Wishes(governor="performance", turbo="off")
CORES = (2, 3)
PATIENCE_S = 60.0

# A process that makes changes and puts them back, as an agent does; it kills itself at the given
# event among those on files of the test, or goes on until it is killed.
PUPPET = """
import os, pathlib, signal, sys
from lpnet_agent.changes.changes import Changes
from lpnet_agent.changes.wishes import Wishes
folder, last = sys.argv[1], int(sys.argv[2])
count = 0
def hook(event, arguments):
    global count
    if event in ("open", "os.rename", "os.remove") and str(arguments[0]).startswith(folder):
        count += 1
        if count == last:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
path = pathlib.Path(folder)
with Changes(Wishes("performance", "off"), (2, 3), path / "state", path / "root") as changes:
    while True:
        changes.apply()
        print("applied", flush=True)
        changes.undo()
        if last > 0:
            print(count, flush=True)
            break
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A laptop below `root`, an agent's folder at `state`."""
    shutil.copytree(LAPTOP, tmp_path / "root", symlinks=True)
    (tmp_path / "state").mkdir()
    return tmp_path


@pytest.fixture
def make(folder: Path) -> Callable[[], Changes]:
    return lambda: Changes(BOTH, CORES, folder / "state", folder / "root")


def values(folder: Path) -> list[str]:
    cpus = folder / "root" / CPUS
    files = [cpus / f"cpu{core}/cpufreq/scaling_governor" for core in range(8)]
    return [file.read_text().strip() for file in (*files, cpus / "intel_pstate/no_turbo")]


AS_IT_WAS = ["powersave"] * 8 + ["0"]
CHANGED = ["powersave"] * 2 + ["performance"] * 2 + ["powersave"] * 4 + ["1"]


def guardians(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        if "lpnet_agent.changes.guardian" in words and str(folder / "state") in words:
            found.append(process)
    return found


def until(reached: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not reached():
        assert time.monotonic() < end, f"never happened: {what}"
        time.sleep(0.01)


def start(folder: Path, last: int = 0) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", PUPPET, str(folder), str(last)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def test_what_is_changed_is_put_back(folder: Path, make: Callable[[], Changes]) -> None:
    assert values(folder) == AS_IT_WAS
    with make() as changes:
        assert values(folder) == AS_IT_WAS
        for _ in range(2):
            changes.apply()
            changes.apply()
            assert values(folder) == CHANGED
            assert len(guardians(folder)) == 1
            changes.undo()
            changes.undo()
            assert values(folder) == AS_IT_WAS
        changes.apply()
    assert values(folder) == AS_IT_WAS
    assert guardians(folder) == []
    assert not (folder / "state" / "changes.json").exists()


def test_nothing_asked_for_changes_nothing(folder: Path) -> None:
    with Changes(Wishes(), None, folder / "state", folder / "root") as changes:
        changes.apply()
        assert values(folder) == AS_IT_WAS
        assert guardians(folder) == []
    assert list((folder / "state").iterdir()) == []


def test_what_someone_else_sets_is_theirs(folder: Path, make: Callable[[], Changes]) -> None:
    theirs = folder / "root" / CPUS / "cpu3/cpufreq/scaling_governor"
    with make() as changes:
        changes.apply()
        theirs.write_text("schedutil\n")
    assert values(folder) == [*AS_IT_WAS[:3], "schedutil", *AS_IT_WAS[4:]]


def test_a_change_that_fails_takes_the_others_back(
    folder: Path, make: Callable[[], Changes]
) -> None:
    """The kernel refuses the last of three."""
    switch = folder / "root" / CPUS / "intel_pstate/no_turbo"
    switch.unlink()
    switch.symlink_to("/proc/self/status")
    with make() as changes, pytest.raises(BadSetup, match=r"turbo=off: .*no_turbo"):
        changes.apply()
    assert values(folder)[:8] == AS_IT_WAS[:8]
    assert not (folder / "state" / "changes.json").exists()


def test_a_value_that_is_not_taken_is_noticed(folder: Path, make: Callable[[], Changes]) -> None:
    switch = folder / "root" / CPUS / "intel_pstate/no_turbo"
    switch.unlink()
    switch.symlink_to("/proc/self/comm")  # takes anything, and keeps 15 characters of it
    before = switch.read_text().strip()
    odd = Wishes(governor="a_governor_with_a_long_name", turbo=None)
    governor = folder / "root" / CPUS / "cpufreq/policy3/scaling_governor"
    governor.unlink()
    governor.symlink_to("/proc/self/comm")
    with (
        Changes(odd, CORES, folder / "state", folder / "root") as changes,
        pytest.raises(BadSetup, match="it does not take"),
    ):
        changes.apply()
    assert values(folder)[2] == "powersave"
    Path("/proc/self/comm").write_text(before)


def test_a_guardian_is_not_moved_by_signals(folder: Path) -> None:
    process = start(folder)
    assert process.stdout is not None
    process.stdout.readline()
    (guardian,) = guardians(folder)
    assert os.getsid(guardian.pid) != os.getsid(process.pid)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        guardian.send_signal(number)
    assert guardian.is_running()
    assert guardian.status() != psutil.STATUS_ZOMBIE
    process.kill()
    process.communicate()
    until(lambda: not guardians(folder), "the guardian ends")
    assert values(folder) == AS_IT_WAS


def test_a_guardian_that_is_killed_is_replaced(folder: Path, make: Callable[[], Changes]) -> None:
    with make() as changes:
        changes.apply()
        (first,) = guardians(folder)
        first.kill()
        until(lambda: first.status() == psutil.STATUS_ZOMBIE, "the guardian is gone")
        changes.apply()
        assert values(folder) == CHANGED
        (second,) = [one for one in guardians(folder) if one != first]
        assert second.is_running()
    assert values(folder) == AS_IT_WAS


def test_killed_at_any_step_it_is_put_back(folder: Path) -> None:
    """Every event on a file of changing and putting back is the last one once."""
    with start(folder, last=10**6) as whole:
        assert whole.stdout is not None
        events = int(whole.stdout.read().split()[-1])
    assert events > 20
    for last in range(1, events + 1):
        with start(folder, last) as process:
            assert process.wait(PATIENCE_S) == -signal.SIGKILL
        until(lambda: not guardians(folder), "the guardian ends")
        assert values(folder) == AS_IT_WAS, f"killed at event {last}"
        assert not (folder / "state" / "changes.json").exists()


@pytest.mark.parametrize("seed", range(5))
def test_killed_with_its_guardian_the_next_one_puts_it_back(
    seed: int, folder: Path, make: Callable[[], Changes]
) -> None:
    process = start(folder)
    assert process.stdout is not None
    for _ in range(random.Random(seed).randrange(1, 200)):
        process.stdout.readline()
    process.send_signal(signal.SIGSTOP)
    for guardian in guardians(folder):
        guardian.kill()
    process.kill()
    process.communicate()
    until(lambda: not guardians(folder), "the guardian is gone")
    with make():
        assert values(folder) == AS_IT_WAS


def test_a_power_cut_while_changed(folder: Path, make: Callable[[], Changes]) -> None:
    """Both are gone with the changes made; the next agent wants none, and puts them back."""
    changes = make()
    changes.apply()
    (guardian,) = guardians(folder)
    guardian.kill()
    kept = (folder / "state" / "changes.json").read_bytes()
    assert values(folder) == CHANGED
    changes.close()
    for core in CORES:
        (folder / "root" / CPUS / f"cpu{core}/cpufreq/scaling_governor").write_text("performance")
    (folder / "state" / "changes.json").write_bytes(kept)
    with Changes(Wishes(), CORES, folder / "state", folder / "root"):
        assert values(folder) == AS_IT_WAS
