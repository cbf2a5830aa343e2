"""A small disk that only one process sees: a tmpfs in a mount namespace of its own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from tests.harness.processes import Running

_MOUNT = 'mount -t tmpfs -o size="$1",mode=0777 tmpfs "$2" && shift 2 && exec "$@"'


class Disk:
    """`wrapper` starts a command that finds an empty disk of `size` (as mount takes it) at
    `place`. The test reaches it through the process."""

    def __init__(self, folder: Path, size: str) -> None:
        folder.mkdir()
        self.folder = folder
        self.wrapper = [*_unshare(), "sh", "-c", _MOUNT, "sh", size, str(folder)]

    def seen_by(self, running: Running) -> Path:
        """The disk's folder, from outside."""
        return Path(f"/proc/{running.process.pid}/root{self.folder}")

    def fill(self, running: Running) -> None:
        """Write until not a byte fits."""
        with (self.seen_by(running) / "filler").open("ab", buffering=0) as file:
            for size in (1 << 16, 1 << 12, 1):
                try:
                    while True:
                        file.write(b"\0" * size)
                except OSError:
                    continue

    def free(self, running: Running) -> None:
        (self.seen_by(running) / "filler").unlink()


def _unshare() -> list[str]:
    """The command that gives a mount namespace; skips the test where there is none to be had."""
    command = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-Urm"]
    trial = ["sh", "-c", "mount -t tmpfs tmpfs /mnt"]
    try:
        subprocess.run([*command, *trial], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(f"no mount namespace to be had here: '{' '.join(command)}' and a mount fail")
    return command
