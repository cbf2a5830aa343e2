"""Profiling the cases: campaigns of a service and an agent, as `lpnet profile` starts them.

The database keeps campaigns and samples. What is done in it is not done again, and a campaign that
was interrupted goes on.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.accuracy.kinds.catalogue import Case
from lpnet.client import Client
from lpnet.errors import LpnetError
from lpnet.http import Http
from lpnet.progress import Progress, terminal_progress
from lpnet.schemas.campaign import Campaign
from lpnet.schemas.device import Target
from lpnet.schemas.sample import StoredSample
from lpnet.waiting import Waiting
from lpnet_demo.processes import RUNTIME, LocalLoop

_POLL_S = 0.5


class TimeIsOver(Exception):
    """The time for measuring has passed; the running campaign stays open."""


@dataclass(frozen=True)
class Measured:
    """The samples of the current epoch of a target, sentinels left out, and the model of its
    CPU."""

    target: Target
    cpu: str
    samples: tuple[StoredSample, ...]


def folder_of(database: Path) -> Path:
    """Where spaces, logs and the agent's state of a database are."""
    return database.with_name(f"{database.name}.files")


def measure(cases: Sequence[Case], database: Path, *, seed: int, limit_s: float) -> float:
    """Measure what the database lacks of the cases, for at most `limit_s` seconds; returns the
    seconds that it took."""
    began = time.monotonic()
    with _loop(database, agent=True) as loop, terminal_progress() as show:
        target = loop.wait_for_target()
        progress = _until(began + limit_s, show)
        try:
            for case in cases:
                _measure(loop.client, target, case, folder_of(database), seed, progress)
        except TimeIsOver:
            print(f"stopped measuring after {limit_s:.0f} s; run again to go on", file=sys.stderr)
    return time.monotonic() - began


def read(database: Path) -> Measured:
    """Raises LpnetError if the database does not have exactly one target of the runtime."""
    with _loop(database, agent=False) as loop:
        client = loop.client
        targets = [target for target in client.targets() if target.spec.runtime == RUNTIME]
        if len(targets) != 1:
            names = ", ".join(target.name for target in targets) or "none"
            raise LpnetError(f"{database} must have one target of {RUNTIME}, it has: {names}")
        (target,) = targets
        samples = client.samples(target=target.name)
        own = (s for s in samples if s.sentinel is None and s.epoch == target.epoch)
        facts = {device.name: device.facts for device in client.devices()}
        return Measured(target, facts[target.device].cpu or "unknown", tuple(own))


@contextmanager
def _loop(database: Path, *, agent: bool) -> Iterator[LocalLoop]:
    url = f"sqlite:///{database.resolve()}"
    folder = folder_of(database).resolve()
    with LocalLoop(folder, agent=agent, database_url=url, agent_state=folder / "agent") as loop:
        yield loop


def _measure(
    client: Client, target: str, case: Case, folder: Path, seed: int, progress: Progress
) -> None:
    space = case.space(folder / "spaces")
    with Http(client.url) as http:
        campaign = _last_campaign(http, target, space.hash)
        if campaign is not None and campaign.state == "done":
            return
        if campaign is not None and campaign.state == "running":
            Waiting(http, _POLL_S).campaign(campaign, progress)
            return

    def named(stage: str, done: float, total: float) -> None:
        progress(f"{stage} {case.name}", done, total)

    client.campaign(
        target,
        space,
        blocks=case.blocks,
        networks=case.networks,
        pruned=0,
        repeats=case.repeats,
        seed=seed,
        progress=named,
    )


def _last_campaign(http: Http, target: str, space: str) -> Campaign | None:
    pages = http.get("/v1/campaigns", params={"target": target, "limit": 200})
    listed = (Campaign.model_validate(item) for item in pages["items"])
    return next((campaign for campaign in listed if campaign.space == space), None)


def _until(deadline: float, show: Progress) -> Progress:
    def progress(stage: str, done: float, total: float) -> None:
        show(stage, done, total)
        if time.monotonic() > deadline and done < total:
            raise TimeIsOver

    return progress
