"""The clusters of a phone's cores: those that are alike, from the slowest to the fastest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lpnet_agent.device_info.sysfs import cpu_folder, cpu_list, number, text
from lpnet_agent.errors import BadSetup

# Names that people have for them, by how many there are. Those in between have none: of them
# phones have one or two.
_NAMES: dict[int, tuple[str, ...]] = {1: ("all",), 2: ("little", "big")}
_OF_MORE = ("little", "big", "prime")
USUAL = ("big", "all")


@dataclass(frozen=True)
class Cluster:
    """`name` is what people call it, and what stands in the target's name."""

    name: str
    cores: tuple[int, ...]

    @property
    def mask(self) -> str:
        """As `taskset` takes it: hexadecimal, without 0x."""
        return f"{sum(1 << core for core in self.cores):x}"

    @property
    def words(self) -> str:
        return f"{self.name} (cores {','.join(map(str, self.cores))})"


def clusters(root: Path) -> tuple[Cluster, ...]:
    """Slowest first. Raises BadSetup for a phone that does not say which cores it has."""
    present = cpu_list(text(root / "sys/devices/system/cpu/present"))
    if present is None:
        raise BadSetup("the phone does not say which cores it has (/sys/devices/system/cpu)")
    alike: dict[int, list[int]] = {}
    for core in present:
        alike.setdefault(_speed(root, core), []).append(core)
    groups = [tuple(cores) for _, cores in sorted(alike.items())]
    return tuple(Cluster(name, cores) for name, cores in zip(_names(groups), groups, strict=True))


def chosen(wish: str | None, known: tuple[Cluster, ...], threads: int) -> Cluster:
    """The cluster of that name, or of cores listed as 0-3 or 4,6; without a wish the fastest with
    more than one core. Raises BadSetup, naming what there is."""
    found = _usual(known) if wish is None else _found(wish, known)
    if found is None:
        there = ", ".join(cluster.words for cluster in known)
        raise BadSetup(f"--cluster {wish}: this phone has {there}; or list cores: 0-3")
    if threads > len(found.cores):
        raise BadSetup(f"{threads} threads asked for, but {found.words} has {len(found.cores)}")
    return found


def _names(groups: list[tuple[int, ...]]) -> tuple[str, ...]:
    if len(groups) in _NAMES:
        return _NAMES[len(groups)]
    first, big, prime = _OF_MORE
    between = (_listed(cores) for cores in groups[1:-2])
    return (first, *between, big, prime)


def _usual(known: tuple[Cluster, ...]) -> Cluster | None:
    return next((cluster for cluster in known if cluster.name in USUAL), None)


def _found(wish: str, known: tuple[Cluster, ...]) -> Cluster | None:
    named = next((cluster for cluster in known if cluster.name == wish), None)
    cores = cpu_list(wish)
    if named is not None or cores is None:
        return named
    if not set(cores) <= {core for cluster in known for core in cluster.cores}:
        return None
    # A cluster is the same target, whichever way it was asked for.
    same = next((cluster for cluster in known if cluster.cores == cores), None)
    return same or Cluster(_listed(cores), cores)


def _listed(cores: tuple[int, ...]) -> str:
    """A name for cores without one: cores0-3, cores4.6."""
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
    """Whatever tells cores of different speed apart; 0 where nothing does."""
    folder = cpu_folder(root, core)
    for file in ("cpu_capacity", "cpufreq/cpuinfo_max_freq"):
        value = number(folder / file)
        if value is not None:
            return value
    return 0
