"""A site per test: its service and agents end with it, and leave nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.harness.site import Site
from tests.faults.harness.wire import Wire

from lpnet import zoo
from lpnet.space.space import Space


@pytest.fixture(scope="session")
def space() -> Space:
    return zoo.space("resnet20")


@pytest.fixture
def site(tmp_path: Path, space: Space) -> Iterator[Site]:
    made = Site(tmp_path, space)
    yield made
    made.close()


@pytest.fixture
def wire(site: Site) -> Iterator[Wire]:
    """A network between the site's service and whoever takes its port."""
    made = Wire(site.port)
    yield made
    made.close()
