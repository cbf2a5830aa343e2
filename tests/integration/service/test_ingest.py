"""Samples: stored once, whole batches or nothing, given back as they came."""

from __future__ import annotations

import csv
import io
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lpnet.schemas.gpu import GpuConditions
from lpnet.schemas.sample import Conditions, Sample, SampleBatch
from lpnet_service.errors import BadRequest, NotFound
from lpnet_service.services.measuring import ingest
from lpnet_service.services.reading import samples
from lpnet_service.services.shared import targets

Bench = Any


def store(bench: Bench, *samples_: Sample, target: str | None = None, create: bool = False) -> Any:
    batch = SampleBatch(target=target or bench.target, samples=samples_)
    return ingest.store(bench.ctx, batch, create=create)


def full(bench: Bench, **fields: Any) -> Sample:
    """A sample with everything in it."""
    sample: Sample = bench.sample(
        1.25,
        **{
            "id": "sample-000001",
            "std_ms": 0.01,
            "count": 50,
            "p10_ms": 1.2,
            "p90_ms": 1.3,
            "min_ms": 1.1,
            "ci_low_ms": 1.24,
            "ci_high_ms": 1.26,
            "converged": True,
            "measured_at": "2026-01-01T10:00:00+02:00",
            "session": "a",
            "draw": "random",
            "reasons": ("hot",),
            "disturbed": True,
            "conditions": Conditions(
                steal_s=0.5,
                event_ms=1.2,
                gpu=GpuConditions(sm_mhz=1410, slowed_by=("power_cap",), others=0),
            ),
        }
        | fields,
    )
    return sample


def test_a_sample_comes_back_as_it_came(bench: Bench) -> None:
    sample = full(bench)
    store(bench, sample)
    (stored,) = samples.page(bench.ctx, {}, after=None, limit=10).items
    assert Sample.model_validate(stored.model_dump(include=set(Sample.model_fields))) == sample
    assert (stored.target, stored.epoch) == (bench.target, 1)
    assert stored.stored_at == bench.clock.now()


def test_the_same_id_is_stored_once(bench: Bench) -> None:
    batch = [full(bench, id=f"sample-{i:06}") for i in range(5)]
    assert store(bench, *batch[:3]).model_dump() == {"stored": 3, "known": 0}
    assert store(bench, *batch).model_dump() == {"stored": 2, "known": 3}
    twice = full(bench, id="sample-twice")
    assert store(bench, twice, twice).model_dump() == {"stored": 1, "known": 1}


def test_an_id_is_of_one_sample_of_a_target(bench: Bench) -> None:
    sample, other = full(bench), full(bench, latency_ms=1.26)
    with pytest.raises(BadRequest) as caught:
        store(bench, sample, full(bench, id="sample-other"), other)
    (fault,) = caught.value.errors
    assert fault.field == "samples.2.id"
    assert "samples.0" in fault.reason
    store(bench, sample)
    for refusing in (ingest.store, ingest.check_only):
        batch = SampleBatch(target=bench.target, samples=(bench.sample(), sample, other))
        with pytest.raises(BadRequest):
            refusing(bench.ctx, batch)
        batch = SampleBatch(target=bench.target, samples=(bench.sample(), other))
        with pytest.raises(BadRequest, match="a field is wrong") as caught:
            refusing(bench.ctx, batch)
        assert [fault.field for fault in caught.value.errors] == ["samples.1.id"]
        assert bench.target in caught.value.errors[0].reason
        result = refusing(
            bench.ctx, SampleBatch(target=bench.target, samples=(other,)), again=True
        )
        assert result.stored == 0
    (kept,) = samples.page(bench.ctx, {}, after=None, limit=10).items
    assert kept.latency_ms == 1.25


def test_the_same_sample_written_in_another_way_is_known(bench: Bench) -> None:
    store(bench, full(bench))
    workload = bench.workload()
    backwards = dict(reversed(workload["widths"].items()))
    other = full(
        bench, workload=workload | {"widths": backwards}, measured_at="2026-01-01T08:00:00Z"
    )
    assert store(bench, other).model_dump() == {"stored": 0, "known": 1}


def test_what_was_exported_can_be_stored_for_another_target(bench: Bench) -> None:
    store(bench, full(bench), bench.sample())
    lines = "".join(samples.export(bench.ctx, bench.target, "jsonl")).splitlines()
    read = [Sample.model_validate_json(line) for line in lines]
    copied = store(bench, *read, target="copy", create=True)
    assert copied.model_dump() == {"stored": 2, "known": 0}
    assert store(bench, *read).model_dump() == {"stored": 0, "known": 2}
    assert "".join(samples.export(bench.ctx, "copy", "jsonl")).splitlines() == lines


def test_batches_that_arrive_at_once_are_stored_once(bench: Bench) -> None:
    batch = [full(bench, id=f"sample-{i:06}") for i in range(50)]
    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(lambda _: store(bench, *batch), range(6)))
    assert sum(result.stored for result in results) == 50


def test_a_sample_without_an_id_gets_one(bench: Bench) -> None:
    assert store(bench, bench.sample(), bench.sample()).stored == 2
    stored = samples.page(bench.ctx, {}, after=None, limit=10).items
    assert len({sample.id for sample in stored}) == 2


def wrong_samples(bench: Bench) -> dict[str, Sample]:
    """Samples with one fault, by the field at fault."""
    block = bench.space.blocks[0].name
    return {
        "workload.widths.stem": bench.sample(workload=bench.workload(stem=17)),
        "workload.widths.wide": bench.sample(workload=bench.workload(wide=0)),
        "workload.widths.other": bench.sample(workload=bench.workload(other=3)),
        "workload.space": bench.sample(workload=bench.workload() | {"space": "0" * 64}),
        "workload.block": bench.sample(
            workload=bench.workload() | {"block": "nowhere"}, kind="block"
        ),
    } | {"workload.block ": bench.sample(workload=bench.workload(block), kind="network")}


def test_a_wrong_workload_is_named_and_nothing_is_stored(bench: Bench) -> None:
    for field, wrong in wrong_samples(bench).items():
        with pytest.raises(BadRequest) as caught:
            store(bench, bench.sample(), wrong)
        assert [fault.field for fault in caught.value.errors] == [f"samples.1.{field.strip()}"]
    missing = bench.sample(workload=bench.workload() | {"widths": {"stem": 4}})
    with pytest.raises(BadRequest, match="so nothing was done") as caught:
        store(bench, missing)
    assert caught.value.errors[0].reason == "this width is missing"
    assert samples.page(bench.ctx, {}, after=None, limit=10).items == ()


def test_an_unknown_target_is_made_only_when_asked_for(bench: Bench) -> None:
    with pytest.raises(NotFound, match="'table'"):
        store(bench, bench.sample(), target="table")
    assert store(bench, bench.sample(), target="table", create=True).stored == 1
    target = targets.get_target(bench.ctx, "table")
    assert (target.source, target.state, target.device) == ("imported", "imported", "table")
    assert target.spec.model_dump(exclude={"name", "options"}, exclude_none=True) == {}
    (device,) = [d for d in targets.list_devices(bench.ctx) if d.name == "table"]
    assert (device.source, device.targets, device.last_seen_at) == ("imported", ("table",), None)


def test_a_rehearsal_refuses_the_same_and_stores_nothing(bench: Bench) -> None:
    def rehearse(*samples_: Sample, target: str = "table", create: bool = True) -> Any:
        batch = SampleBatch(target=target, samples=samples_)
        return ingest.check_only(bench.ctx, batch, create=create)

    assert rehearse(bench.sample()).model_dump() == {"stored": 0, "known": 0}
    with pytest.raises(NotFound, match="'table'"):
        rehearse(bench.sample(), create=False)
    with pytest.raises(BadRequest, match="a field is wrong"):
        rehearse(bench.sample(workload=bench.workload(stem=17)))
    assert samples.page(bench.ctx, {}, after=None, limit=10).items == ()
    assert [target.name for target in targets.list_targets(bench.ctx)] == [bench.target]


def test_pages_join_up(bench: Bench) -> None:
    store(bench, *[full(bench, id=f"sample-{i:06}") for i in range(7)])
    ids: list[str] = []
    after: str | None = None
    while True:
        page = samples.page(bench.ctx, {"target": bench.target}, after=after, limit=3)
        ids += [sample.id for sample in page.items]
        after = page.next
        if after is None:
            break
    assert ids == [f"sample-{i:06}" for i in range(7)]


def test_samples_are_filtered(bench: Bench) -> None:
    block = bench.space.blocks[0].name
    store(bench, bench.sample(), bench.sample(block=block))
    for filters, count in [
        ({"kind": "block"}, 1),
        ({"space": bench.space.hash}, 2),
        ({"space": "0" * 64}, 0),
        ({"target": "nobody"}, 0),
    ]:
        assert len(samples.page(bench.ctx, filters, after=None, limit=10).items) == count


@pytest.mark.parametrize("after", ["x", "-1", "1.5", "", "9" * 30, "²"])
def test_a_page_after_nothing_is_refused(bench: Bench, after: str) -> None:
    with pytest.raises(BadRequest, match="after"):
        samples.page(bench.ctx, {}, after=after, limit=10)


def test_an_export_reads_back_as_the_samples(bench: Bench) -> None:
    batch = [full(bench, id=f"sample-{i:06}") for i in range(3)]
    ops = [{"type": "conv2d", "c_in": 3, "c_out": 8, "h": 8, "w": 8, "kernel": [3, 3]}]
    batch.append(Sample.model_validate({"workload": {"ops": ops}, "latency_ms": 0.5}))
    store(bench, *batch)
    lines = "".join(samples.export(bench.ctx, bench.target, "jsonl")).splitlines()
    read = [Sample.model_validate_json(line) for line in lines]
    assert read[:3] == batch[:3]
    assert read[3].workload == batch[3].workload
    rows = list(
        csv.DictReader(io.StringIO("".join(samples.export(bench.ctx, bench.target, "csv"))))
    )
    assert [float(row["latency_ms"]) for row in rows] == [1.25, 1.25, 1.25, 0.5]
    assert json.loads(rows[0]["workload"]) == batch[0].workload.model_dump(exclude_none=True)
    assert rows[3]["p10_ms"] == ""
    with pytest.raises(NotFound):
        samples.export(bench.ctx, "nobody", "csv")
