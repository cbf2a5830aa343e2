"""Counts processes that the kernel killed because memory ran out."""

from __future__ import annotations

from pathlib import Path

from lpnet_agent.device_info import sysfs

# Of cgroup version 2 and 1; both hold a line `oom_kill N`.
_FILES = ("memory.events", "memory.oom_control")


class OomKills:
    """Counts the processes of this cgroup that the kernel's OOM killer ended. `root` replaces
    `/`."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._files = [folder / name for folder in _cgroup_folders(root) for name in _FILES]

    def count(self) -> int | None:
        for file in self._files:
            for line in sysfs.text(file).splitlines():
                name, _, value = line.partition(" ")
                if name == "oom_kill":
                    return sysfs.integer(value)
        return None


def _cgroup_folders(root: Path) -> list[Path]:
    """Folders that may hold the cgroup of this process, the likeliest first. In a container its
    path may be that of the host, which is not mounted; there the mount itself is the cgroup."""
    mounts = root / "sys/fs/cgroup"
    folders = []
    for line in sysfs.text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if controllers in ("", "memory"):
            mount = mounts / controllers
            folders += [mount / path.strip("/"), mount]
    return folders
