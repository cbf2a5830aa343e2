"""Two agents that claim one device: the first goes on, the second is told why it may not."""

from __future__ import annotations

import shutil
import signal

from tests.faults.harness.site import Site

# Long, so that an agent which is slow for a moment is not taken for dead.
ALIVE = {"LPNET_OFFLINE_S": "20"}


def test_of_one_state_folder(site: Site) -> None:
    site.start_service(**ALIVE)
    first = site.start_agent()
    site.until(lambda: "registered" in first.said, "the first registers", first)
    second = site.start_agent("second")
    assert second.process.wait(60) == 1
    assert "another agent uses it" in second.said
    site.complete(site.ask(blocks=3))


def test_of_another_state_folder(site: Site) -> None:
    site.start_service(**ALIVE)
    first = site.start_agent()
    site.until(lambda: "registered" in first.said, "the first registers", first)
    second = site.start_agent("second", state=site.folder / "other")
    assert second.process.wait(60) == 1
    assert "device 'box' is another machine" in second.said
    assert "--device" in second.said
    site.complete(site.ask(blocks=3))


def test_of_a_copied_state_folder(site: Site) -> None:
    site.start_service(**ALIVE)
    first = site.start_agent()
    site.until(lambda: "registered" in first.said, "the first registers", first)
    copy = shutil.copytree(site.state.path, site.folder / "copy")
    second = site.start_agent("second", state=copy, LPNET_AGENT_TAKEOVER_S="0")
    assert second.process.wait(60) == 1
    assert "device 'box' has an agent already" in second.said
    assert "--device" in second.said
    site.complete(site.ask(blocks=3))


def test_an_agent_that_was_killed_is_served_again_at_once(site: Site) -> None:
    site.start_service(**ALIVE)
    first = site.start_agent()
    site.until(lambda: "registered" in first.said, "the first registers", first)
    first.end(signal.SIGKILL)
    site.start_agent("again", LPNET_AGENT_TAKEOVER_S="0")
    site.complete(site.ask(blocks=3))
