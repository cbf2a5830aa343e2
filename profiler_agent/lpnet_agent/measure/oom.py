"""Whether the kernel ended processes for want of memory."""

from __future__ import annotations

from pathlib import Path

from lpnet_agent.device_info import sysfs

# Of cgroup version 2 and 1; both hold a line `oom_kill N`.
_FILES = ("memory.events", "memory.oom_control")


class OomKills:
    """Counts the processes of this cgroup that the kernel's OOM killer ended. `root` is what
    takes the place of `/`."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._files = [file for folder in _folders(root) for file in _named(folder)]

    def count(self) -> int | None:
        """How many until now; None where the kernel does not say."""
        for file in self._files:
            for line in sysfs.text(file).splitlines():
                name, _, value = line.partition(" ")
                if name == "oom_kill":
                    return sysfs.integer(value)
        return None


def _folders(root: Path) -> list[Path]:
    """Where the cgroup of this process may show, the likeliest first. In a container its path may
    be that of the host, which is not mounted: there the mount itself is it."""
    mounts = root / "sys/fs/cgroup"
    folders = []
    for line in sysfs.text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if controllers in ("", "memory"):
            mount = mounts / controllers
            folders += [mount / path.strip("/"), mount]
    return folders


def _named(folder: Path) -> list[Path]:
    return [folder / name for name in _FILES]
