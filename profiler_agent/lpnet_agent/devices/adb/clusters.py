"""The clusters of a phone's cores: groups of equal cores, from the slowest to the fastest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lpnet_agent.device_info.sysfs import cpu_folder, cpu_list, number, text
from lpnet_agent.errors import SetupError

# Common names by the number of clusters. With more than three, those in between have no name;
# phones have one or two of them.
_NAMES: dict[int, tuple[str, ...]] = {1: ("all",), 2: ("little", "big")}
_NAMES_FROM_THREE = ("little", "big", "prime")
# The fastest cluster with several cores.
_DEFAULT_NAMES = ("big", "all")


@dataclass(frozen=True)
class Cluster:
    """Equal cores. `name` is a part of the target's name."""

    name: str
    cores: tuple[int, ...]

    @property
    def mask(self) -> str:
        """The hexadecimal mask for `taskset`, without 0x."""
        return f"{sum(1 << core for core in self.cores):x}"

    @property
    def description(self) -> str:
        return f"{self.name} (cores {','.join(map(str, self.cores))})"


def read_clusters(root: Path) -> tuple[Cluster, ...]:
    """The clusters, slowest first. Raises SetupError if the phone does not list its cores."""
    present = cpu_list(text(root / "sys/devices/system/cpu/present"))
    if present is None:
        raise SetupError("the phone does not list its cores in /sys/devices/system/cpu")
    by_speed: dict[int, list[int]] = {}
    for core in present:
        by_speed.setdefault(_speed(root, core), []).append(core)
    groups = [tuple(cores) for _, cores in sorted(by_speed.items())]
    return tuple(Cluster(name, cores) for name, cores in zip(_names(groups), groups, strict=True))


def select_cluster(name: str | None, clusters: Sequence[Cluster], threads: int) -> Cluster:
    """The cluster with this name, or the cores listed as 0-3 or 4,6. Without a name it is the
    fastest cluster with more than one core. Raises SetupError, listing the clusters."""
    cluster = _default(clusters) if name is None else _by_name(name, clusters)
    if cluster is None:
        available = ", ".join(cluster.description for cluster in clusters)
        raise SetupError(f"--cluster {name}: this phone has {available}; or list cores, like 0-3")
    if threads > len(cluster.cores):
        raise SetupError(
            f"threads must be at most {len(cluster.cores)}, the cores of cluster "
            f"{cluster.description}, got {threads}"
        )
    return cluster


def _names(groups: list[tuple[int, ...]]) -> tuple[str, ...]:
    if len(groups) in _NAMES:
        return _NAMES[len(groups)]
    little, big, prime = _NAMES_FROM_THREE
    between = (_cores_name(cores) for cores in groups[1:-2])
    return (little, *between, big, prime)


def _default(clusters: Sequence[Cluster]) -> Cluster | None:
    return next((cluster for cluster in clusters if cluster.name in _DEFAULT_NAMES), None)


def _by_name(name: str, clusters: Sequence[Cluster]) -> Cluster | None:
    named = next((cluster for cluster in clusters if cluster.name == name), None)
    cores = cpu_list(name)
    if named is not None or cores is None:
        return named
    if not set(cores) <= {core for cluster in clusters for core in cluster.cores}:
        return None
    # A cluster is the same target whether it is named or its cores are listed.
    same = next((cluster for cluster in clusters if cluster.cores == cores), None)
    return same or Cluster(_cores_name(cores), cores)


def _cores_name(cores: tuple[int, ...]) -> str:
    """For example "cores0-3" or "cores4.6"."""
    runs: list[list[int]] = []
    for core in cores:
        if runs and core == runs[-1][-1] + 1:
            runs[-1].append(core)
        else:
            runs.append([core])
    return "cores" + ".".join(
        str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs
    )


def _speed(root: Path, core: int) -> int:
    folder = cpu_folder(root, core)
    for file in ("cpu_capacity", "cpufreq/cpuinfo_max_freq"):
        value = number(folder / file)
        if value is not None:
            return value
    return 0
