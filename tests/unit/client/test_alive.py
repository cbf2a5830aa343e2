"""The file by which a process without a port says that it works."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lpnet.alive import AliveFile, not_alive_reason
from lpnet.errors import LpnetError


def test_a_process_that_touches_it_is_alive(tmp_path: Path) -> None:
    path = tmp_path / "alive"
    file = AliveFile(path)
    assert not_alive_reason(path, 60) == f"{path}: No such file or directory"
    file.touch()
    assert not_alive_reason(path, 60) is None
    file.remove()
    assert not_alive_reason(path, 60) is not None
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_only_lets_it_grow_old(tmp_path: Path) -> None:
    (tmp_path / f".alive.{os.getpid()}").symlink_to("/dev/full")
    AliveFile(tmp_path / "alive").touch()
    assert not (tmp_path / "alive").exists()


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_one_that_has_done_nothing_for_long_is_not(tmp_path: Path, seconds: int) -> None:
    path = tmp_path / "alive"
    AliveFile(path).touch()
    then = path.stat().st_mtime + seconds
    os.utime(path, (then, then))
    reason = not_alive_reason(path, 60)
    assert reason is not None
    assert "has shown no activity" in reason


def test_one_that_is_gone_is_not(tmp_path: Path) -> None:
    path = tmp_path / "alive"
    code = "import sys, pathlib; from lpnet.alive import AliveFile; "
    code += "AliveFile(pathlib.Path(sys.argv[1])).touch()"
    subprocess.run([sys.executable, "-c", code, path], check=True)
    assert not_alive_reason(path, 60) == f"process {path.read_text()} is gone"
    # What another process has touched since is not this one's to remove.
    AliveFile(path).remove()
    assert path.exists()


def test_what_is_no_such_file_is_said(tmp_path: Path) -> None:
    path = tmp_path / "alive"
    path.write_text("not a number")
    assert not_alive_reason(path, 60) == f"{path}: not a file of lpnet"
    with pytest.raises(LpnetError, match="nowhere/alive: No such file"):
        AliveFile(tmp_path / "nowhere/alive").touch()


def test_without_a_path_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = AliveFile(None)
    file.touch()
    file.remove()
    assert list(tmp_path.iterdir()) == []
