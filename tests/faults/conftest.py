"""A site per test: its service and agents end with it, and leave nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.harness.cores import own_core
from tests.harness.site import Site
from tests.harness.wire import Wire

from lpnet import zoo
from lpnet.space.space import Space

SERVICE = {
    "LPNET_LEASE_S": "2",
    "LPNET_OFFLINE_S": "2",
    # A test that takes an agent's job away often must not use up its attempts.
    "LPNET_MAX_ATTEMPTS": "50",
}
AGENT = {"LPNET_AGENT_REQUEST_S": "1"}


@pytest.fixture(scope="package", autouse=True)
def _core() -> Iterator[None]:
    with own_core():
        yield


@pytest.fixture(scope="session")
def space() -> Space:
    return zoo.space("resnet20")


@pytest.fixture
def site(tmp_path: Path, space: Space) -> Iterator[Site]:
    made = Site(tmp_path, space, service=SERVICE, agent=AGENT)
    yield made
    made.close()


@pytest.fixture
def wire(site: Site) -> Iterator[Wire]:
    """A network between the site's service and whoever takes its port."""
    made = Wire(site.port)
    yield made
    made.close()
