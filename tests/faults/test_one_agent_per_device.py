"""Several agents claim one device: the first goes on, the others are told why they may not."""

from __future__ import annotations

import shutil
import signal

import pytest
from tests.harness.site import Site

# Long, so that an agent which is slow for a moment is not taken for dead.
ALIVE_S = "20"


def test_only_the_first_is_served(site: Site) -> None:
    site.start_service(LPNET_OFFLINE_S=ALIVE_S)
    first = site.start_agent()
    site.until(lambda: "registered" in first.said, "the first registers", first)
    copy = shutil.copytree(site.state.path, site.folder / "copy")
    others = {
        "another agent uses it": site.start_agent("same-folder"),
        "device 'box' is registered for another machine": site.start_agent(
            "other-folder", state=site.folder / "other"
        ),
        "device 'box' already has an agent": site.start_agent(
            "copied-folder", state=copy, LPNET_AGENT_TAKEOVER_S="0"
        ),
    }
    for reason, other in others.items():
        assert other.process.wait(60) == 1
        assert f"error: {reason}" in other.said.replace(f"state folder {site.state.path}: ", "")
        assert "Traceback" not in other.said
    site.complete(site.ask(blocks=3))


@pytest.mark.slow
def test_one_that_was_killed_is_served_again_at_once(site: Site) -> None:
    site.start_service(LPNET_OFFLINE_S=ALIVE_S)
    first = site.start_agent()
    site.until(lambda: "registered" in first.said, "the first registers", first)
    first.end(signal.SIGKILL)
    site.start_agent("again", LPNET_AGENT_TAKEOVER_S="0")
    site.complete(site.ask(blocks=3))
