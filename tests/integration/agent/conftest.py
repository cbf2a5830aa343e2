"""A small space, the measuring processes of the agent on it, and an agent with its service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.harness.cores import own_core
from tests.harness.site import Site

from lpnet import zoo
from lpnet.schemas.workload import SpaceWorkload
from lpnet.space.space import Space
from lpnet.stop import Stop
from lpnet_agent.measure.cores import choose
from lpnet_agent.measure.messages import Item, Setup


@pytest.fixture(scope="package", autouse=True)
def _core() -> Iterator[None]:
    with own_core():
        yield


@pytest.fixture(scope="session")
def space() -> Space:
    return zoo.space("resnet20")


@pytest.fixture(scope="session")
def space_file(space: Space, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("spaces") / "resnet20.onnx"
    space.save(path)
    return path


@pytest.fixture(scope="session")
def setup() -> Setup:
    """Budgets so short that a test is over soon; the figures need not be good."""
    return Setup(
        runtime="onnxruntime",
        threads=1,
        cores=choose(1),
        block_s=0.01,
        network_s=0.03,
        visits=2,
        gap_s=0,
        crowded=1,
    )


@pytest.fixture
def stop() -> Iterator[Stop]:
    made = Stop()
    yield made
    made.close()


@pytest.fixture(scope="session")
def block_item(space: Space) -> Callable[[int], Item]:
    """The block of that number at its full width."""

    def make(number: int) -> Item:
        part = space.block(space.blocks[number].name)
        workload = SpaceWorkload(space=space.hash, block=part.name, widths=part.named(part.dense))
        return Item(kind="block", workload=workload, draw="dense")

    return make


@pytest.fixture(scope="session")
def network_item(space: Space) -> Item:
    workload = SpaceWorkload(space=space.hash, widths=space.named(space.dense))
    return Item(kind="network", workload=workload, draw="dense")


@pytest.fixture
def site(tmp_path: Path, space: Space) -> Iterator[Site]:
    """A service and agents that keep what they know in the folder of the test."""
    made = Site(tmp_path, space, service={"LPNET_LEASE_S": "6"})
    yield made
    made.close()
