"""Reading the clusters of phones, and selecting one."""

from __future__ import annotations

from pathlib import Path

import pytest

from lpnet.stop import Stop
from lpnet_agent.devices.adb.clusters import Cluster, read_clusters, select_cluster
from lpnet_agent.devices.select import open_device
from lpnet_agent.errors import SetupError
from lpnet_agent.settings import Settings


def tree(root: Path, speeds: list[int], file: str = "cpu_capacity") -> Path:
    folder = root / "sys/devices/system/cpu"
    for core, speed in enumerate(speeds):
        path = folder / f"cpu{core}" / file
        path.parent.mkdir(parents=True)
        path.write_text(f"{speed}\n")
    (folder / "present").write_text(f"0-{len(speeds) - 1}\n")
    return root


def named(root: Path) -> dict[str, tuple[int, ...]]:
    return {cluster.name: cluster.cores for cluster in read_clusters(root)}


def test_a_phone_of_three_kinds_of_cores(tmp_path: Path) -> None:
    assert named(tree(tmp_path, [325] * 4 + [830] * 3 + [1024])) == {
        "little": (0, 1, 2, 3),
        "big": (4, 5, 6),
        "prime": (7,),
    }


def test_two_kinds_told_apart_by_their_clocks(tmp_path: Path) -> None:
    root = tree(tmp_path, [2_000_000] * 2 + [1_800_000] * 6, "cpufreq/cpuinfo_max_freq")
    assert named(root) == {"little": (2, 3, 4, 5, 6, 7), "big": (0, 1)}


def test_four_kinds_and_one(tmp_path: Path) -> None:
    four = named(tree(tmp_path / "four", [250, 250, 250, 700, 700, 800, 800, 1024]))
    assert list(four) == ["little", "cores3-4", "big", "prime"]
    assert named(tree(tmp_path / "one", [1024] * 4)) == {"all": (0, 1, 2, 3)}


def test_a_phone_that_says_nothing_of_its_cores(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="does not list its cores"):
        read_clusters(tmp_path)


CLUSTERS = (Cluster("little", (0, 1, 2, 3)), Cluster("big", (4, 5, 6)), Cluster("prime", (7,)))


@pytest.mark.parametrize(
    ("option", "name", "cores", "mask"),
    [
        (None, "big", (4, 5, 6), "70"),
        ("prime", "prime", (7,), "80"),
        ("0-3", "little", (0, 1, 2, 3), "f"),
        ("0-1", "cores0-1", (0, 1), "3"),
        ("0,2-3,7", "cores0.2-3.7", (0, 2, 3, 7), "8d"),
    ],
)
def test_selecting(option: str | None, name: str, cores: tuple[int, ...], mask: str) -> None:
    cluster = select_cluster(option, CLUSTERS, threads=1)
    assert (cluster.name, cluster.cores, cluster.mask) == (name, cores, mask)


@pytest.mark.parametrize("option", ["medium", "6-9", "3-1", "", "0-"])
def test_what_a_phone_does_not_have_is_named_with_what_it_has(option: str) -> None:
    with pytest.raises(SetupError, match=r"little \(cores 0,1,2,3\), big .*, prime \(cores 7\)"):
        select_cluster(option, CLUSTERS, threads=1)


def test_more_threads_than_cores() -> None:
    with pytest.raises(
        SetupError, match=r"threads must be at most 3, the cores of cluster big .* got 4"
    ):
        select_cluster("big", CLUSTERS, threads=4)


def test_clusters_are_those_of_phones() -> None:
    stop = Stop()
    opening = open_device(Settings(cluster="big"), stop)
    with (
        pytest.raises(SetupError, match="--cluster selects the cores of a phone"),
        opening,
    ):
        pass
    stop.close()
