"""Simulated agents, whose measurements take no time, and the users who start campaigns."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.load.connections import Connection

_KEPT = ("id", "kind", "workload", "draw")


@dataclass(frozen=True)
class Agent:
    """An agent of a device with one target of the same name."""

    id: str
    target: str


@dataclass
class Counts:
    """What happened. Waits are in seconds, from the answer that started a campaign of one job
    to the lease of this job."""

    waits: list[float] = field(default_factory=list)
    started: int = 0
    completed: int = 0
    lost: int = 0
    statuses: Counter[int] = field(default_factory=Counter)


class Fleet:
    """Agents that poll until `stop` is called."""

    def __init__(self, url: str, agents: Sequence[Agent], wait_s: float) -> None:
        self.counts = Counts()
        self._url = url
        self._wait_s = wait_s
        self._agents = agents
        self._asked: dict[str, float] = {}
        self._early: dict[str, float] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        for index, agent in enumerate(self._agents):
            self._tasks.append(asyncio.create_task(self._work(agent)))
            if index % 50 == 49:
                await asyncio.sleep(0.1)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self, agent: Agent) -> None:
        connection = Connection(self._url)
        asked = {"targets": [agent.target], "wait_s": self._wait_s}
        try:
            while True:
                path = f"/v1/agents/{agent.id}/leases"
                status, lease = await connection.request("POST", path, asked)
                self.counts.statuses[status] += 1
                if status == 200:
                    self._note_lease(lease["campaign"])
                    await self._complete(connection, lease)
                elif status != 204:
                    await asyncio.sleep(1)
        finally:
            connection.close()

    def _note_lease(self, campaign: str) -> None:
        now = time.monotonic()
        if campaign in self._asked:
            self.counts.waits.append(now - self._asked.pop(campaign))
        else:  # before the answer to whoever started it
            self._early[campaign] = now

    async def _complete(self, connection: Connection, lease: dict[str, Any]) -> None:
        items = lease["items"]
        samples = [{key: item[key] for key in _KEPT} | {"latency_ms": 1.0} for item in items]
        path = f"/v1/leases/{lease['token']}/complete"
        status, _ = await connection.request("POST", path, {"samples": samples})
        self.counts.statuses[status] += 1
        self.counts.completed += status == 200
        self.counts.lost += status == 409

    async def start_campaigns(
        self, space: str, widths: dict[str, int], per_s: float, seconds: float
    ) -> None:
        """Start campaigns of one job at this rate, each on another target."""
        targets = [agent.target for agent in self._agents]
        random.Random(0).shuffle(targets)
        idle: list[Connection] = []
        running = set[asyncio.Task[None]]()
        began = time.monotonic()
        for number in range(int(per_s * seconds)):
            await asyncio.sleep(max(0.0, began + number / per_s - time.monotonic()))
            target = targets[number % len(targets)]
            planned = {"kind": "network", "workload": {"space": space, "widths": widths}}
            campaign: dict[str, object] = {
                "target": target,
                "space": space,
                "workloads": [planned],
            }
            task = asyncio.create_task(self._start(idle, campaign))
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.gather(*running)
        for connection in idle:
            connection.close()

    async def _start(self, idle: list[Connection], campaign: dict[str, Any]) -> None:
        connection = idle.pop() if idle else Connection(self._url)
        status, answer = await connection.request("POST", "/v1/campaigns", campaign)
        idle.append(connection)
        self.counts.statuses[status] += 1
        if status == 201:
            self.counts.started += 1
            now = time.monotonic()
            if answer["id"] in self._early:
                self.counts.waits.append(max(0.0, self._early.pop(answer["id"]) - now))
            else:
                self._asked[answer["id"]] = now


async def response_times(url: str, seconds: float) -> list[float]:
    """How long GET /healthz takes, four times a second."""
    connection, times = Connection(url), list[float]()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        await connection.request("GET", "/healthz")
        times.append(time.monotonic() - began)
        await asyncio.sleep(0.25)
    connection.close()
    return times


def by_status(counts: Counts) -> str:
    return ", ".join(f"{status}: {n}" for status, n in sorted(counts.statuses.items()))
