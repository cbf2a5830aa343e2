"""Networks that do not fit in memory, in measuring processes whose memory really is limited."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import onnx
import psutil
import pytest
import torch
from onnx import helper
from tests.harness.site import Site
from torch import nn

from lpnet.progress import quiet
from lpnet.schemas.campaign import Campaign, NewCampaign
from lpnet.schemas.workload import SpaceWorkload
from lpnet.space.memory import MIB
from lpnet.space.space import Space
from lpnet.stop import Stop
from lpnet_agent.errors import MeasureFailed, WorkerDied
from lpnet_agent.measure.job import Measurer, measure_all
from lpnet_agent.measure.messages import Item, Setup, WorkloadRequest
from lpnet_agent.measure.process import MeasuringProcess
from lpnet_agent.offline.measure_space import MeasurePlan, measure_space

# Beyond what a measuring process has mapped once it is ready.
ROOM = 512 << 20


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> tuple[Space, Path]:
    """A space with hardly any weights, whose widest network has activations of 2 GiB."""
    layers = nn.Sequential(
        nn.Conv2d(3, 512, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 4)
    )
    space = Space.from_model(layers, torch.zeros(1, 3, 1024, 1024), name="wide")
    path = tmp_path_factory.mktemp("wide") / "wide.onnx"
    space.save(path)
    return space, path


def network(space: Space, channels: int) -> Item:
    workload = SpaceWorkload(space=space.hash, widths={space.widths[0].name: channels})
    return Item(kind="network", workload=workload)


def limited(setup: Setup, stop: Stop) -> MeasuringProcess:
    process = MeasuringProcess(setup, stop)
    (worker,) = workers()
    limit(worker)
    return process


def limit(worker: psutil.Process) -> None:
    max_bytes = worker.memory_info().vms + ROOM
    worker.rlimit(psutil.RLIMIT_AS, (max_bytes, max_bytes))


def workers(parent: int | None = None) -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process(parent).children(recursive=True)
        if "lpnet_agent.measure.worker" in child.cmdline()
    ]


def test_a_network_that_does_not_fit_is_a_result_and_a_small_one_is_measured(
    wide: tuple[Space, Path], setup: Setup, stop: Stop
) -> None:
    space, file = wide
    assert space.memory(space.dense) > 2 << 30
    with Measurer(setup, stop, start_session=lambda: limited(setup, stop)) as measurer:
        (before,) = workers()
        items = [network(space, channels) for channels in (4, 512, 8)]
        small, large, other = measure_all(measurer, items, lambda _: file, lambda: True)
        results = {result.item.workload.widths[space.widths[0].name]: result for result in (
            small, large, other
        )}  # fmt: skip
        assert results[4].sample is not None
        assert results[8].sample is not None
        assert results[512].sample is None
        assert results[512].out_of_memory
        message = "does not fit in memory: onnxruntime cannot run the network"
        assert str(results[512].reason).startswith(message)
        with pytest.raises(MeasureFailed, match="does not fit in memory") as caught:
            measurer.measure(network(space, 512), file)
        assert caught.value.out_of_memory
        assert workers() == [before], "it said so, and did not die of it"


def of_weights(path: Path, rows: int) -> Path:
    """A network of one product, with 32 KiB of weights for each of its inputs."""
    weight = onnx.TensorProto(name="w", data_type=onnx.TensorProto.FLOAT, dims=[rows, 8192])
    weight.raw_data = bytes(4 * 8192 * rows)
    ends = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, size])
        for name, size in (("x", rows), ("y", 8192))
    ]
    product = helper.make_node("Gemm", ["x", "w"], ["y"])
    graph = helper.make_graph([product], "g", ends[:1], ends[1:], [weight])
    opset = [helper.make_opsetid("", 20)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)
    return path


def test_weights_that_do_not_fit_are_said_when_they_are_loaded(
    setup: Setup, stop: Stop, tmp_path: Path
) -> None:
    large, small = of_weights(tmp_path / "large", 9600), of_weights(tmp_path / "small", 8)
    with Measurer(setup, stop, start_session=lambda: limited(setup, stop)) as measurer:
        message = "does not fit in memory: onnxruntime cannot load the network"
        with pytest.raises(MeasureFailed, match=message) as caught:
            measurer.visit_file(large, first=True)
        assert caught.value.out_of_memory
        measurer.visit_file(small, first=True)
        assert measurer.visit_file(small, first=False) is not None
    large.unlink()


def test_measuring_a_space_lists_it_among_the_failures(
    wide: tuple[Space, Path], setup: Setup, stop: Stop, tmp_path: Path
) -> None:
    space, file = wide
    items = [network(space, channels) for channels in (4, 512)]
    with Measurer(setup, stop, start_session=lambda: limited(setup, stop)) as measurer:
        outcome = measure_space(
            measurer, file, items, tmp_path / "out.jsonl", MeasurePlan(), stop, quiet
        )
    assert outcome.samples == 1
    (reason,) = outcome.failures
    assert reason.startswith("does not fit in memory")


def counters(root: Path, kills: int) -> None:
    """A kernel's counters as cgroup version 2 shows them."""
    (root / "proc/self").mkdir(parents=True, exist_ok=True)
    (root / "proc/self/cgroup").write_text("0::/agent.service\n")
    group = root / "sys/fs/cgroup/agent.service"
    group.mkdir(parents=True, exist_ok=True)
    (group / "memory.events").write_text(f"low 0\nhigh 7\nmax 9\noom 3\noom_kill {kills}\n")


@pytest.mark.parametrize("short", [True, False])
def test_signal_9_is_memory_only_where_the_kernel_counted_it(
    wide: tuple[Space, Path], setup: Setup, stop: Stop, tmp_path: Path, short: bool
) -> None:
    space, file = wide
    counters(tmp_path, kills=2)
    process = MeasuringProcess(setup, stop, tmp_path)
    (worker,) = workers()

    def kill() -> None:
        time.sleep(0.2)
        counters(tmp_path, kills=2 + short)
        os.kill(worker.pid, signal.SIGKILL)

    request = WorkloadRequest(item=network(space, 64), space_file=str(file))
    os.kill(worker.pid, signal.SIGSTOP)  # so that it is in the middle of it, however fast it is
    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(WorkerDied) as caught:
        process.visit(request, timeout_s=90)
    killer.join()
    assert caught.value.out_of_memory is short
    assert ("does not fit in memory" in str(caught.value)) is short


def test_a_device_without_room_for_it_is_known_to_the_service(
    wide: tuple[Space, Path], tmp_path: Path
) -> None:
    space, _ = wide
    site = Site(tmp_path, space)
    try:
        site.serve()
        agent = site.start_agent()
        target = site.target()
        assert target.memory is None
        (worker,) = workers(agent.process.pid)
        limit(worker)
        site.http.post_bytes("/v1/spaces", space.to_bytes())
        planned = [
            {"kind": "network", "workload": network(space, channels).workload.model_dump()}
            for channels in (4, 512)
        ]
        campaign_request = {"target": target.name, "space": space.hash, "workloads": planned}
        posted = site.http.post("/v1/campaigns", NewCampaign.model_validate(campaign_request))
        campaign = Campaign.model_validate(posted)
        site.until(lambda: site.campaign(campaign).state != "running", "it ends", agent)
        ended = site.campaign(campaign)
        assert (ended.state, ended.measured, ended.failed) == ("done", 1, 1)
        assert "does not fit in memory" in ended.failures[0]
        limits = site.target().memory
        assert limits is not None
        assert limits.fits_mib == space.memory([4]) / MIB
        assert limits.fails_mib == space.memory([512]) / MIB
    finally:
        site.close()
