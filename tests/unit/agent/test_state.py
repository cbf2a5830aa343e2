"""The state folder, the settings, and how the agent waits."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lpnet_agent.errors import SetupError, WriteFailed
from lpnet_agent.files import check_free_space, write_atomically
from lpnet_agent.serve.backoff import Backoff
from lpnet_agent.settings import Settings
from lpnet_agent.state import StateDir, is_agent_running


def test_a_state_folder_has_one_agent(tmp_path: Path) -> None:
    with StateDir(tmp_path / "a" / "b") as state:
        assert state.spool.is_dir()
        with pytest.raises(SetupError, match="another agent uses it"), StateDir(state.path):
            pass
    with StateDir(state.path):
        pass


def test_whoever_looks_for_an_instant_keeps_no_agent_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `lpnet-agent status` and the doctor look: they hold the lock, and let go of it."""
    with StateDir(tmp_path):
        pass
    looking = os.open(tmp_path / "lock", os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    monkeypatch.setattr("lpnet_agent.state.time.sleep", lambda seconds: os.close(looking))
    with StateDir(tmp_path):
        assert is_agent_running(tmp_path)
    assert is_agent_running(tmp_path) is False


def test_a_folder_that_no_agent_ever_used_is_told_from_an_idle_one(tmp_path: Path) -> None:
    assert is_agent_running(tmp_path) is None
    assert is_agent_running(tmp_path / "missing") is None


def test_what_is_kept_is_for_its_owner_only(tmp_path: Path) -> None:
    with StateDir(tmp_path / "a") as state:
        state.machine_id()
        for folder in (state.path, state.spool, state.spaces):
            assert folder.stat().st_mode & 0o777 == 0o700
        for file in ("lock", "machine-id"):
            assert (state.path / file).stat().st_mode & 0o777 == 0o600


def test_who_may_not_look_is_not_told_that_no_agent_runs(tmp_path: Path) -> None:
    """As another user where the tests run as root, who may look anywhere."""
    with StateDir(tmp_path / "a"):
        pass
    if os.geteuid() != 0:
        (tmp_path / "a").chmod(0)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o111)
    code = (
        "import os, pathlib, sys\n"
        "from lpnet_agent.errors import SetupError\n"
        "from lpnet_agent.state import is_agent_running, count_spooled\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"
        "for asked in (is_agent_running, count_spooled):\n"
        "    try: print(asked(pathlib.Path(sys.argv[1])))\n"
        "    except SetupError as error: print(error)\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (tmp_path / "a").chmod(0o700)
    running, waiting = said.splitlines()
    assert "whether an agent runs there is unknown" in running
    assert "sudo" in running
    assert "the number of results there is unknown" in waiting


def test_a_killed_agent_lets_go_of_its_folder(tmp_path: Path) -> None:
    code = (
        "import sys, os, signal, pathlib\n"
        "from lpnet_agent.state import StateDir\n"
        "with StateDir(pathlib.Path(sys.argv[1])): os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert (tmp_path / "lock").exists()
    with StateDir(tmp_path):
        pass


def test_a_state_folder_that_cannot_be_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match="state folder"), StateDir(tmp_path / "file" / "state"):
        pass


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.json"]


def test_a_file_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.json"
    write_atomically(path, b"one")

    def no_room(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", no_room)
    with pytest.raises(WriteFailed, match=str(tmp_path)):
        write_atomically(path, b"two")
    assert path.read_bytes() == b"one"
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.json"]


def test_room_is_asked_of_the_folder(tmp_path: Path) -> None:
    check_free_space(tmp_path)
    with pytest.raises(WriteFailed, match="missing"):
        check_free_space(tmp_path / "missing")
    with pytest.raises(WriteFailed, match=r"/proc: (no space left|the file system)"):
        check_free_space(Path("/proc"))


def test_what_a_crash_left_half_written_is_removed(tmp_path: Path) -> None:
    with StateDir(tmp_path) as state:
        halves = [f / ".x.part" for f in (state.path, state.spool, state.spaces)]
        for half in halves:
            half.write_text("ha")
    with StateDir(tmp_path):
        assert not any(half.exists() for half in halves)


def test_a_copied_folder_and_another_boot_are_other_seats(tmp_path: Path) -> None:
    root = tmp_path / "root"
    boot = root / "proc/sys/kernel/random/boot_id"
    boot.parent.mkdir(parents=True)
    boot.write_text("one\n")
    with StateDir(tmp_path / "a") as state:
        seat = state.seat(root)
        machine = state.machine_id()
    with StateDir(tmp_path / "a") as state:
        assert state.seat(root) == seat
        boot.write_text("two\n")
        assert state.seat(root) != seat
    boot.write_text("one\n")
    with StateDir(shutil.copytree(tmp_path / "a", tmp_path / "b")) as copy:
        assert copy.machine_id() == machine
        assert copy.seat(root) != seat


def test_waiting_grows_to_its_bound_and_starts_again() -> None:
    backoff = Backoff(first_s=1.0, max_s=8.0)
    waits = [backoff.next() for _ in range(200)]
    for wait, base in zip(waits, [1, 2, 4, 8, 8, 8], strict=False):
        assert 0.8 * base <= wait <= 1.2 * base
    assert max(waits) <= 9.6
    backoff.reset()
    assert backoff.next() <= 1.2


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LPNET_URL", "http://server:9")
    monkeypatch.setenv("LPNET_AGENT_THREADS", "3")
    assert Settings().url == "http://server:9"
    assert Settings().threads == 3
    assert Settings(url="http://other:1", threads=2).url == "http://other:1"
    monkeypatch.setenv("LPNET_AGENT_URL", "http://mine:9")
    assert Settings().url == "http://mine:9"


def test_the_state_folder_follows_the_system(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert Settings().state_dir == tmp_path / "lpnet-agent"


def test_a_machine_keeps_its_id(tmp_path: Path) -> None:
    with StateDir(tmp_path / "a") as state:
        first = state.machine_id()
    with StateDir(tmp_path / "a") as state:
        assert state.machine_id() == first
    with StateDir(tmp_path / "b") as other:
        assert other.machine_id() != first
        (tmp_path / "b" / "machine-id").write_bytes(b"\xff")
        with pytest.raises(SetupError, match=r"machine-id.*--device"):
            other.machine_id()
