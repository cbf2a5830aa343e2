"""Counts, medians and noise floors that are kept beside samples are those of the samples."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select
from tests.harness.tallies import check_tallies

from lpnet.schemas.sample import Sample, SampleBatch
from lpnet_service.db.rows import EpochRow, TargetRow
from lpnet_service.services.measuring import disturbed_samples, ingest

Bench = Any


def drawn(bench: Bench, rng: np.random.Generator, number: int) -> Sample:
    """A sample of one of a few workloads, of any sort."""
    block = [None, bench.space.blocks[1].name][rng.integers(2)]
    names = list(bench.widths(block))
    workload = bench.workload(block, **{names[0]: int(rng.integers(1, 5))})
    sample: Sample = bench.sample(
        float(rng.uniform(1, 2)),
        block,
        workload=workload,
        id=f"sample-{number:04}",
        session=[None, "a", "b", "c"][rng.integers(4)],
        draw=[None, "random", "aligned"][rng.integers(3)],
        disturbed=bool(rng.random() < 0.3),
        sentinel="memory" if rng.random() < 0.1 else None,
        measured_at=bench.clock.now(),
    )
    return sample


def test_they_follow_whatever_happens(bench: Bench) -> None:
    rng = np.random.default_rng(7)
    stored: list[Sample] = []
    for step in range(12):
        bench.clock.advance(60)
        new = [drawn(bench, rng, 20 * step + i) for i in range(20)]
        # Some are known already; others were measured again, disturbed ones to be replaced.
        repeated = [stored[i] for i in rng.integers(len(stored), size=5)] if stored else []
        again = [
            sample.model_copy(update={"disturbed": False, "measured_at": bench.clock.now()})
            for sample in {sample.id: sample for sample in repeated}.values()
        ]
        ingest.store(bench.ctx, SampleBatch(target=bench.target, samples=tuple(new)))
        if again:
            batch = SampleBatch(target=bench.target, samples=tuple(again))
            ingest.store(bench.ctx, batch, again=True)
        stored += new
        if step == 5:
            with bench.ctx.db.write() as session:
                target = session.get_one(TargetRow, bench.target)
                target.epoch, target.epoch_started_at = 2, bench.clock.now()
        if step in (3, 9):
            epoch = 1 if step == 3 else 2
            since = min(sample.measured_at for sample in new if sample.measured_at)
            disturbed_samples.mark(
                bench.ctx, bench.target, epoch, since.replace(second=0, minute=0), "hot"
            )
        check_tallies(bench.ctx.db)
    with bench.ctx.db.read() as session:
        assert {row.epoch for row in session.scalars(select(EpochRow))} == {1, 2}


def test_a_batch_that_is_refused_counts_nothing(bench: Bench) -> None:
    sample = bench.sample(1.0, id="sample-1")
    ingest.store(bench.ctx, SampleBatch(target=bench.target, samples=(sample,)))
    other = SampleBatch(
        target=bench.target,
        samples=(bench.sample(3.0), sample.model_copy(update={"latency_ms": 2.0})),
    )
    with pytest.raises(Exception, match="nothing was done"):
        ingest.store(bench.ctx, other)
    check_tallies(bench.ctx.db)


def test_two_that_store_the_same_workload_at_once_count_both(bench: Bench) -> None:
    ready = threading.Barrier(4)
    failed: list[BaseException] = []

    def store(session: str) -> None:
        try:
            for number in range(5):
                ready.wait(10)
                samples = tuple(
                    bench.sample(1.0 + number, workload=bench.workload(stem=stem), session=session)
                    for stem in range(1, 9)
                )
                ingest.store(bench.ctx, SampleBatch(target=bench.target, samples=samples))
        except BaseException as error:
            failed.append(error)
            ready.abort()

    threads = [threading.Thread(target=store, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    check_tallies(bench.ctx.db)
    with bench.ctx.db.read() as session:
        assert session.get_one(EpochRow, (bench.target, 1)).samples == 4 * 5 * 8
