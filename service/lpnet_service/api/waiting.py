"""The polls of agents that this process holds until there may be a job.

A poll costs nothing while it waits. It is woken by an announcement. One look at the database for
all polls together, every LPNET_POLL_S, finds what nobody announced: a lease that expired, a pause
that is over, a job from a process that cannot tell this one.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

import structlog
from fastapi import Request
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from lpnet_service.errors import DiskFull
from lpnet_service.services.measuring import leasing, presence
from lpnet_service.services.shared.context import Context
from lpnet_service.services.upkeep import sweeping

_log = structlog.get_logger()


class WaitingPoll:
    """A poll that is held for an agent. Once its client is gone, `gone` is true."""

    def __init__(self, agent: str, targets: Sequence[str]) -> None:
        self.agent = agent
        self.targets = frozenset(targets)
        self.gone = False
        self._woken = asyncio.Event()

    def wake(self) -> None:
        self._woken.set()

    async def woken_within(self, seconds: float) -> bool:
        """Wait to be woken; whether it was in time."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), seconds)
            self._woken.clear()
            return True
        return False

    async def watch(self, request: Request) -> None:
        """Note when the client closes its connection, and wake the poll."""
        while (await request.receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        self.wake()


class WaitingPolls:
    """All polls that this process holds."""

    def __init__(self, ctx: Context, stopping: asyncio.Event) -> None:
        self._ctx = ctx
        self._stopping = stopping
        self._polls: dict[str, set[WaitingPoll]] = defaultdict(set)
        self._looking: asyncio.Task[None] | None = None
        self._swept_at: datetime | None = None
        self._touched_at: datetime | None = None

    @contextmanager
    def held(self, agent: str, targets: Sequence[str], request: Request) -> Iterator[WaitingPoll]:
        """A poll that is woken while this block lasts. Enter it before the first look for a job,
        or what is announced in between is missed."""
        if self._looking is None:
            self._looking = asyncio.create_task(self._look_regularly())
        poll = WaitingPoll(agent, targets)
        for target in poll.targets:
            self._polls[target].add(poll)
        watch = asyncio.create_task(poll.watch(request))
        try:
            yield poll
        finally:
            watch.cancel()
            for target in poll.targets:
                self._polls[target].discard(poll)
                if not self._polls[target]:
                    del self._polls[target]

    @property
    def agents(self) -> set[str]:
        return {poll.agent for polls in list(self._polls.values()) for poll in list(polls)}

    def sweep(self) -> None:
        """End leases that nobody can renew any more, at most once every LPNET_POLL_S."""
        now = self._ctx.clock.now()
        if self._is_due(self._swept_at, timedelta(seconds=self._ctx.settings.poll_s)):
            self._swept_at = now
            sweeping.sweep(self._ctx)

    def _is_due(self, last: datetime | None, period: timedelta) -> bool:
        # The clock may be set back.
        return last is None or abs(self._ctx.clock.now() - last) >= period

    async def _look_regularly(self) -> None:
        end = self._ctx.db.announcements.listen(self._listener(asyncio.get_running_loop()))
        is_away = False
        try:
            while not self._stopping.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), self._ctx.settings.poll_s)
                try:
                    if self._polls:
                        self._wake(await run_in_threadpool(self._look, self.agents))
                    is_away = False
                except (SQLAlchemyError, DiskFull) as error:
                    if not is_away:
                        _log.warning("waiting polls cannot look", error=type(error).__name__)
                    is_away = True
        finally:
            self._looking = None
            end()
            self._wake(None)

    def _listener(
        self, loop: asyncio.AbstractEventLoop
    ) -> Callable[[Collection[str] | None], None]:
        def wake_from_any_thread(targets: Collection[str] | None) -> None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._wake, targets)

        return wake_from_any_thread

    def _look(self, agents: Collection[str]) -> Collection[str]:
        if self._is_due(self._touched_at, presence.touch_period(self._ctx)):
            self._touched_at = self._ctx.clock.now()
            presence.touch(self._ctx, agents)
        return leasing.targets_with_jobs(self._ctx)

    def _wake(self, targets: Collection[str] | None) -> None:
        """Wake the polls for these targets; None: all."""
        for target in list(self._polls) if targets is None else targets:
            for poll in self._polls.get(target, ()):
                poll.wake()
