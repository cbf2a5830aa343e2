"""Targets beside each other."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from statistics import median
from typing import Any

import pytest
from fastapi.testclient import TestClient

from lpnet.schemas.compare import ComparedRow, ComparePage
from lpnet.schemas.sample import SampleBatch
from lpnet_service.errors import BadRequest, NotFound
from lpnet_service.services.measuring import ingest
from lpnet_service.services.reading import comparison, comparison_summary, comparison_table

Bench = Any
TARGETS = ("desk-cpu", "other", "third")


def fill(bench: Bench) -> dict[tuple[str, int], list[float]]:
    """Stems of 1 to 12 on the first target, 3 to 16 on the others, some twice; latencies by target
    and stem, of undisturbed samples."""
    block = bench.space.blocks[0].name
    latencies: dict[tuple[str, int], list[float]] = {}
    for index, target in enumerate(TARGETS):
        samples = []
        for stem in range(1, 13) if index == 0 else range(3, 17):
            part = block if stem % 2 else None
            name = next(iter(bench.widths(part)))
            workload = bench.workload(part, **{name: stem})
            kind = "block" if part else "network"
            for again in range(1 + stem % 3):
                ms = (stem + again) * (1.0, 0.5, 1.7)[index] + (stem == 5) * index
                disturbed = again == 1 or stem == 12
                sample = bench.sample(ms, kind=kind, workload=workload, disturbed=disturbed)
                samples.append(sample)
                if not disturbed:
                    latencies.setdefault((target, stem), []).append(ms)
        batch = SampleBatch(target=target, samples=tuple(samples))
        ingest.store(bench.ctx, batch, create=True)
    return latencies


def pages(bench: Bench, targets: tuple[str, ...], **options: Any) -> Iterator[ComparePage]:
    request = {"by": None, "sort": "ratio", "after": None, "limit": 2} | options
    while True:
        page = comparison_table.page(bench.ctx, targets, **request)
        yield page
        if page.next is None:
            return
        request["after"] = page.next


def stem(row: ComparedRow) -> int:
    widths = getattr(row.workload, "widths", {})
    return int(next(iter(widths.values())))


def test_workloads_in_common_by_their_medians(bench: Bench) -> None:
    measured = fill(bench)
    rows = [row for page in pages(bench, TARGETS) for row in page.items]
    assert sorted(stem(row) for row in rows) == list(range(3, 12))
    for row in rows:
        expected = [median(measured[target, stem(row)]) for target in TARGETS]
        assert row.latency_ms == pytest.approx(expected)
        assert row.ratio == pytest.approx([ms / expected[0] for ms in expected])
        assert row.fastest == TARGETS[expected.index(min(expected))]
        assert (row.kind == "block") == bool(stem(row) % 2)


@pytest.mark.parametrize("sort", ["ratio", "-ratio", "latency_ms", "-latency_ms"])
@pytest.mark.parametrize("by", [None, "third"])
def test_pages_join_up_both_ways(bench: Bench, sort: Any, by: str | None) -> None:
    fill(bench)
    pages_ = list(pages(bench, TARGETS, sort=sort, by=by))
    rows = [row for page in pages_ for row in page.items]
    column = TARGETS.index(by) if by else 1 if "ratio" in sort else 0
    values = [(row.ratio if "ratio" in sort else row.latency_ms)[column] for row in rows]
    assert values == sorted(values, reverse=sort.startswith("-"))
    assert len({stem(row) for row in rows}) == len(rows) == 9
    behind = pages_[-1]
    for before in pages_[-2::-1]:
        behind = comparison_table.page(
            bench.ctx, TARGETS, by=by, sort=sort, after=behind.previous, limit=2
        )
        assert behind.items == before.items
    assert behind.previous is None


def test_a_summary_says_who_is_faster_where(bench: Bench) -> None:
    measured = fill(bench)
    summary = comparison_summary.summary(bench.ctx, TARGETS)
    assert (summary.workloads, summary.share) == (9, 1.0)
    assert summary.all is not None
    ratios = [median(measured["other", s]) / median(measured["desk-cpu", s]) for s in range(3, 12)]
    first, other, third = summary.all.targets
    assert (first.median_ratio, first.fastest_pct) == (1.0, 0.0)
    assert other.median_ratio == pytest.approx(median(ratios))
    assert (other.fastest_pct, third.fastest_pct) == (100.0, 0.0)
    assert [(group.kind, group.workloads) for group in summary.kinds] == [
        ("block", 5),
        ("network", 4),
    ]
    (block,) = summary.blocks
    assert (block.block, block.space_name) == (bench.space.blocks[0].name, "little")


def test_of_too_many_workloads_a_random_part_is_compared(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(bench)
    every = {stem(r): r for page in pages(bench, TARGETS[:2]) for r in page.items}
    monkeypatch.setattr(comparison, "MAX_WORKLOADS", 10)
    pages_ = list(pages(bench, TARGETS[:2]))
    assert 0 < pages_[0].share < 1
    part = {stem(row): row for page in pages_ for row in page.items}
    assert 0 < len(part) < len(every)
    assert part == {key: every[key] for key in part}
    swapped = next(pages(bench, TARGETS[1::-1], limit=100))
    assert {stem(row) for row in swapped.items} == part.keys()


def test_targets_with_nothing_in_common(bench: Bench) -> None:
    fill(bench)
    sample = bench.sample(
        1.0, workload={"ops": [{"type": "linear", "c_in": 8, "c_out": 8}]}, kind="block"
    )
    ingest.store(bench.ctx, SampleBatch(target="lone", samples=(sample,)), create=True)
    names = ("desk-cpu", "lone")
    assert next(pages(bench, names)).items == ()
    summary = comparison_summary.summary(bench.ctx, names)
    assert (summary.all, summary.kinds, summary.workloads) == (None, (), 0)


def test_over_http(bench: Bench, api: TestClient) -> None:
    fill(bench)
    query: list[tuple[str, Any]] = [("target", name) for name in TARGETS]
    page = api.get("/v1/compare", params=[*query, ("sort", "-latency_ms")]).json()
    assert [target["target"] for target in page["targets"]] == list(TARGETS)
    answer = api.get("/v1/compare/export", params=[*query, ("sort", "-latency_ms")])
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["sample"] for row in rows] == [item["sample"] for item in page["items"]]
    assert float(rows[0]["ratio other"]) == page["items"][0]["ratio"][1]
    assert api.get("/v1/compare/summary", params=query).json()["workloads"] == 9
    assert api.get("/v1/compare", params=query[:1]).status_code == 422
    assert api.get("/v1/compare", params=[*query, *query[:1]]).status_code == 422
    assert api.get("/v1/compare", params=[*query, ("target", "nobody")]).status_code == 404
    assert api.get("/v1/compare", params=[*query, ("by", "nobody")]).status_code == 422


def test_a_target_is_named_once_and_is_there(bench: Bench) -> None:
    with pytest.raises(BadRequest, match="once"):
        next(pages(bench, ("desk-cpu", "desk-cpu")))
    with pytest.raises(NotFound, match="nobody"):
        next(pages(bench, ("desk-cpu", "nobody")))
