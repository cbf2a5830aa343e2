"""Counters of the kernel's OOM killer, and workloads that it killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from lpnet.schemas.campaign import Lease, LeasedItem
from lpnet.schemas.sample import Sample
from lpnet.schemas.workload import SpaceWorkload
from lpnet.stop import Stop
from lpnet_agent.errors import MeasureFailed, WorkerDied
from lpnet_agent.measure.job import ItemResult, Measurer
from lpnet_agent.measure.messages import (
    AnyRequest,
    Item,
    SessionInfo,
    Setup,
    VisitResult,
    WorkloadRequest,
)
from lpnet_agent.measure.oom import OomKills
from lpnet_agent.serve.held_lease import LeaseResults

WORKLOAD = SpaceWorkload(space="0" * 64, widths={"conv": 4})
ITEM = Item(id="item-0001", kind="network", workload=WORKLOAD)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("cgroup", "file"),
    [
        ("0::/agent.service", "agent.service/memory.events"),
        # In a container: the path is the host's, and the mount is the container's own.
        ("0::/docker/5f3e", "memory.events"),
        ("0::/", "memory.events"),
        ("9:cpu:/x\n4:memory:/agent\n0::/", "memory/agent/memory.oom_control"),
        ("4:memory:/docker/5f3e", "memory/memory.oom_control"),
    ],
)
def test_kills_are_counted_where_the_kernel_shows_them(
    tmp_path: Path, cgroup: str, file: str
) -> None:
    write(tmp_path / "proc/self/cgroup", cgroup + "\n")
    counted = tmp_path / "sys/fs/cgroup" / file
    write(counted, "oom_kill_disable 0\nunder_oom 0\noom 5\noom_kill 3\n")
    kills = OomKills(tmp_path)
    assert kills.count() == 3
    write(counted, "oom_kill 4\n")
    assert kills.count() == 4


def test_where_nothing_is_shown_nothing_is_known(tmp_path: Path) -> None:
    assert OomKills(tmp_path).count() is None
    write(tmp_path / "proc/self/cgroup", "0::/\n")
    write(tmp_path / "sys/fs/cgroup/memory.events", "low 0\noom_kill many\n")
    assert OomKills(tmp_path).count() is None


class Session:
    """A measuring process that the kernel kills for lack of memory."""

    info = SessionInfo(
        session="s", runtime="r", version="1", provider="cpu", precision="fp32", options={}
    )

    def __init__(self, deaths: list[bool]) -> None:
        self.alive = True
        self._deaths = deaths

    def visit(self, request: AnyRequest, timeout_s: float) -> VisitResult:
        if self._deaths.pop(0):
            self.alive = False
            raise WorkerDied("the kernel ended it", out_of_memory=True)
        assert isinstance(request, WorkloadRequest)
        return VisitResult(sample=Sample(workload=request.item.workload, latency_ms=1.0))

    def close(self) -> None:
        self.alive = False


@pytest.mark.parametrize(("deaths", "fits"), [([True, False], True), ([True, True], False)])
def test_what_was_ended_beside_others_is_tried_by_itself(deaths: list[bool], fits: bool) -> None:
    stop, sessions = Stop(), list[Session]()

    def start_session() -> Session:
        sessions.append(Session(deaths))
        return sessions[-1]

    setup = Setup(runtime="r", threads=1, cores=None)
    with Measurer(setup, stop, start_session=start_session) as measurer:
        if fits:
            assert measurer.visit(ITEM, Path("s"), first=True, visits=2) is not None
        else:
            with pytest.raises(MeasureFailed) as caught:
                measurer.visit(ITEM, Path("s"), first=True, visits=2)
            assert caught.value.out_of_memory
    assert len(sessions) == 2
    stop.close()


def test_the_service_is_told() -> None:
    leased = LeasedItem(id="item-0001", kind="network", workload=WORKLOAD)
    lease = Lease(
        token="t", job="j", campaign="c", target="t", expires_s=9, fresh_session=False,
        items=(leased,),
    )  # fmt: skip
    results = LeaseResults(lease)
    results.add(ItemResult(ITEM, None, "too large", out_of_memory=True))
    results.add(ItemResult(ITEM, None, "it crashed"))
    failures = [
        (failure.reason, failure.out_of_memory) for failure in results.to_spool(None).failures
    ]
    assert failures == [("too large", True), ("it crashed", False)]
