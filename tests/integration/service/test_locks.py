"""Locks on Postgres: nobody waits in a circle, and whoever must give way tries again."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from threading import Barrier, Event
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.engine import ExceptionContext

from lpnet.schemas.campaign import (
    Completion,
    Heartbeat,
    JobFailure,
    Lease,
    NewCampaign,
    PlannedWorkload,
)
from lpnet_service.db.retrying import retried
from lpnet_service.errors import LeaseLost
from lpnet_service.services.measuring import campaigns, leasing
from lpnet_service.services.shared.context import Context

Bench = Any
pytestmark = pytest.mark.parametrize("url", ["postgres"], indirect=True)
_CANCELLED = 12


@contextmanager
def circles(ctx: Context) -> Iterator[list[str]]:
    """The deadlocks that happen inside, also those whose transaction was repeated."""
    found: list[str] = []

    def note(context: ExceptionContext) -> None:
        if getattr(context.original_exception, "sqlstate", None) == "40P01":
            found.append(str(context.original_exception))

    event.listen(ctx.db.engine, "handle_error", note)
    yield found
    event.remove(ctx.db.engine, "handle_error", note)


def campaign_of(bench: Bench, networks: int, first: int) -> str:
    names = [width.name for width in bench.space.widths]
    planned = tuple(
        PlannedWorkload(
            kind="network",
            workload=bench.workload(**{names[0]: 1 + n % 16, names[1]: 1 + n // 16 % 32}),
        )
        for n in range(first, first + networks)
    )
    new = NewCampaign(target=bench.target, space=bench.space.hash, workloads=planned)
    return campaigns.create(bench.ctx, new).id


def results(bench: Bench, lease: Lease) -> Completion:
    samples = (
        bench.sample(id=item.id, workload=item.workload.model_dump()) for item in lease.items
    )
    return Completion(samples=tuple(samples))


def test_claims_completions_and_cancellations_do_not_wait_in_a_circle(bench: Bench) -> None:
    over = Event()

    def cancel_many(first: int) -> None:
        for number in range(_CANCELLED):
            id_ = campaign_of(bench, 13, first + number)
            campaigns.cancel(bench.ctx, id_)

    def work(number: int) -> int:
        held = 0
        while not over.is_set():
            lease = leasing.claim(bench.ctx, bench.agent, [bench.target])
            if lease is None:
                continue
            held += 1
            with suppress(LeaseLost):
                leasing.heartbeat(bench.ctx, lease.token, Heartbeat(measured=1))
                if held % 3 == number:
                    bench.fail(lease.token, JobFailure(reason="no runtime"))
                else:
                    bench.complete(lease.token, results(bench, lease))
        return held

    with circles(bench.ctx) as found, ThreadPoolExecutor(5) as pool:
        working = [pool.submit(work, number) for number in range(3)]
        cancelling = [pool.submit(cancel_many, first) for first in (0, 250)]
        try:
            for task in cancelling:
                task.result()
        finally:
            over.set()
        held = sum(task.result() for task in working)
    assert found == []
    assert held > _CANCELLED / 4, "the agents were given hardly any job"


def test_whoever_gives_way_tries_again(ctx: Context) -> None:
    met, attempts = Barrier(2), []

    @retried
    def add(first: int, second: int) -> None:
        with ctx.db.write() as session:
            attempts.append(first)
            session.execute(text("SET LOCAL deadlock_timeout = '10ms'"))
            session.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": first})
            if len(attempts) <= 2:
                met.wait(30)
            session.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": second})

    with circles(ctx) as found, ThreadPoolExecutor(2) as pool:
        for task in [pool.submit(add, 1, 2), pool.submit(add, 2, 1)]:
            task.result()
    assert len(found) == 1
    assert len(attempts) == 3
