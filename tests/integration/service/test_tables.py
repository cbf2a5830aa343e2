"""Latency tables: whatever they are filtered and sorted by, pages are those of all samples."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from lpnet.schemas.sample import SampleBatch
from lpnet.schemas.table import TablePage, TableRow
from lpnet_service.db.rows import SampleRow, TargetRow
from lpnet_service.errors import NotFound
from lpnet_service.repositories import latency_tables
from lpnet_service.repositories.sides import SideRepository
from lpnet_service.services.measuring import ingest
from lpnet_service.services.reading import facets, selection, table, table_csv

Bench = Any
Filter = dict[str, Any]
OPS = {"ops": [{"type": "linear", "c_in": 8, "c_out": 8}]}


def fill(bench: Bench, count: int = 120) -> list[TableRow]:
    """Samples of all sorts, some of the same latency or moment; half of the workloads have a side.
    Returns them in the order they were stored."""
    rng = np.random.default_rng(3)
    blocks = [None, *(block.name for block in bench.space.blocks)]
    samples = []
    for number in range(count):
        block = blocks[rng.integers(len(blocks))]
        names = list(bench.widths(block))
        workload = bench.workload(block, **{names[0]: int(rng.integers(1, 5))} if names else {})
        if number % 17 == 0:
            block, workload = "of ops", OPS
        samples.append(
            bench.sample(
                float(rng.integers(1, 30)),
                kind="block" if block else "network",
                workload=workload,
                id=f"sample-{number:04}",
                draw=[None, "random", "aligned"][rng.integers(3)],
                disturbed=bool(rng.random() < 0.2),
                sentinel="memory" if rng.random() < 0.1 else None,
                session=f"s{number % 3}",
                p10_ms=0.5,
                measured_at=f"2026-01-{1 + int(rng.integers(1, 20)):02}T00:00:00Z",
                conditions={"temperature_c": 50.0, "runs": 9},
            )
        )
    ingest.store(bench.ctx, SampleBatch(target=bench.target, samples=tuple(samples)))
    with bench.ctx.db.write() as session:
        rows = {row.workload_key: row.kind for row in session.scalars(select(SampleRow))}
        drawn = sorted(rows)[::2]
        sides = {key: (rows[key], number % 3 == 0) for number, key in enumerate(drawn)}
        SideRepository(session).add(bench.target, 1, sides)
    return list(page(bench, limit=500).items)


def page(bench: Bench, **options: Any) -> TablePage:
    filters = options.pop("filters", {})
    request = {"sort": "measured_at", "after": None, "limit": 23} | options
    return table.page(bench.ctx, bench.target, filters, **request)


def walk(bench: Bench, **options: Any) -> list[TableRow]:
    """All rows by `next`; on the way back by `previous` the same pages are seen."""
    pages = [page(bench, **options)]
    while (after := pages[-1].next) is not None:
        pages.append(page(bench, after=after, **options))
    assert pages[0].previous is None
    behind = pages[-1]
    for before in pages[-2::-1]:
        assert behind.previous is not None
        behind = page(bench, after=behind.previous, **options)
        assert [row.id for row in behind.items] == [row.id for row in before.items]
    assert behind.previous is None
    return [row for page_ in pages for row in page_.items]


def block(row: TableRow) -> str | None:
    return getattr(row.workload, "block", None)


FILTERS: list[tuple[Filter, Callable[[TableRow], bool]]] = [
    ({}, lambda row: True),
    ({"kind": "block"}, lambda row: row.kind == "block"),
    ({"kind": "network", "disturbed": False}, lambda r: r.kind == "network" and not r.disturbed),
    ({"draw": "aligned"}, lambda row: row.draw == "aligned"),
    ({"disturbed": True}, lambda row: row.disturbed),
    ({"held_out": True}, lambda row: row.held_out is True),
    ({"held_out": False, "kind": "block"}, lambda r: r.held_out is False and r.kind == "block"),
    ({"min_ms": 5.0, "max_ms": 12.0}, lambda row: 5 <= row.latency_ms <= 12),
    ({"min_ms": 9.0, "kind": "block"}, lambda r: r.latency_ms >= 9 and r.kind == "block"),
    ({"max_ms": 0.5}, lambda row: False),
    ({"block": "no such block"}, lambda row: False),
    ({"search": "LITT"}, lambda row: row.space_name == "little"),
    ({"search": "little sample-0002"}, lambda row: row.id == "sample-0002"),
    ({"search": "sample-0002", "min_ms": 99.0}, lambda row: False),
    ({"search": "sample-0000"}, lambda row: row.id == "sample-0000"),
    ({"search": "nowhere"}, lambda row: False),
]


@pytest.mark.parametrize(
    ("exact", "streams"),
    [(10_000, 200), (4, 200), (4, 3)],
    ids=["few", "many", "many groups"],
)
def test_pages_are_those_of_all_samples(
    bench: Bench, exact: int, streams: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = fill(bench)
    assert len(every) > 90
    monkeypatch.setattr(latency_tables, "EXACT", exact)
    monkeypatch.setattr(selection, "FEW", exact)
    monkeypatch.setattr(latency_tables, "_MAX_MERGED_GROUPS", streams)
    order = {row.id: number for number, row in enumerate(every)}
    for filters, meets in FILTERS:
        expected = [row for row in every if meets(row)]
        for name in ("measured_at", "latency_ms"):
            expected.sort(key=lambda row: (getattr(row, name), int(row.id[-4:])))
            for sort, rows in ((name, expected), (f"-{name}", expected[::-1])):
                walked = walk(bench, filters=filters, sort=sort)
                assert [row.id for row in walked] == [row.id for row in rows], (filters, sort)
        first = page(bench, filters=filters)
        counted = filters.keys() <= {"kind", "block", "draw", "disturbed", "search"}
        if "held_out" not in filters:
            assert first.matching_exact == (counted or len(expected) <= exact)
        # Of what is looked at one by one, more than so many is no more than is known.
        max_count = len(expected) if "held_out" in filters else exact
        assert first.matching <= (len(expected) if first.matching_exact else max_count)
        if first.matching_exact:
            assert first.matching == len(expected)
    assert len(order) == len(every)


def test_a_block_of_the_space_is_found_by_its_name(bench: Bench) -> None:
    every = fill(bench)
    name = bench.space.blocks[1].name
    expected = {row.id for row in every if block(row) == name}
    assert expected
    assert {row.id for row in walk(bench, filters={"block": name})} == expected
    rows = walk(bench, filters={"search": f"{name[:3]} little"})
    assert expected <= {row.id for row in rows}


def test_a_row_says_what_was_measured(bench: Bench) -> None:
    fill(bench)
    row = page(bench, filters={"search": "sample-0002"}).items[0]
    assert (row.space_name, row.session, row.p10_ms, row.epoch) == ("little", "s2", 0.5, 1)
    assert row.conditions is not None
    assert (row.conditions.temperature_c, row.conditions.frequency_mhz) == (50.0, None)


def test_another_epoch_is_another_table(bench: Bench) -> None:
    every = fill(bench)
    with bench.ctx.db.write() as session:
        session.get_one(TargetRow, bench.target).epoch = 2
    sample = bench.sample(1.0, measured_at="2026-01-31T00:00:00Z")
    ingest.store(bench.ctx, SampleBatch(target=bench.target, samples=(sample,)))
    assert page(bench).matching == 1
    assert (page(bench, epoch=1).matching, page(bench, epoch=3).matching) == (len(every), 0)
    result = facets.facets(bench.ctx, bench.target)
    assert [(epoch.epoch, epoch.samples) for epoch in result.epochs] == [(2, 1), (1, len(every))]
    assert result.samples == 1


def test_facets_count_what_there_is(bench: Bench) -> None:
    every = fill(bench)
    result = facets.facets(bench.ctx, bench.target)
    assert result.samples == len(every)
    assert result.disturbed == sum(row.disturbed for row in every)
    for kind in result.kinds:
        assert kind.samples == sum(row.kind == kind.value for row in every)
    for draw in result.draws:
        assert draw.samples == sum(row.draw == draw.value for row in every)
    assert {space.name: space.samples for space in result.spaces} == {
        name: sum(row.space_name == name for row in every) for name in ("little", None)
    }
    for block_facet in result.blocks:
        same = [
            row for row in every if block(row) == block_facet.block and row.space_name == "little"
        ]
        assert block_facet.samples == len(same)
    assert not result.more


def test_a_file_has_the_rows_of_all_pages(
    bench: Bench, api: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = fill(bench)
    monkeypatch.setattr(table_csv, "_PAGE", 40)
    path = f"/v1/targets/{bench.target}/table"
    options: dict[str, Any] = {"kind": "block", "sort": "-latency_ms", "disturbed": False}
    answer = api.get(f"{path}/export", params=options | {"format": "csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    paged = api.get(path, params=options | {"limit": 500}).json()["items"]
    assert len(paged) == sum(row.kind == "block" and not row.disturbed for row in every)
    assert [row["id"] for row in rows] == [row["id"] for row in paged]
    for row, item in zip(rows, paged, strict=True):
        assert float(row["latency_ms"]) == item["latency_ms"]
        assert json.loads(row["widths"] or "null") == item["workload"].get("widths")
    with pytest.raises(NotFound):
        table_csv.export(bench.ctx, "nobody", {}, sort="latency_ms")


def test_what_cannot_be_asked_is_refused(bench: Bench, api: TestClient) -> None:
    fill(bench, 20)
    path = f"/v1/targets/{bench.target}/table"
    for wrong in ({"sort": "id"}, {"min_ms": "nan"}, {"epoch": 0}, {"draw": "x"}, {"after": "x"}):
        assert api.get(path, params=wrong).status_code == 422, wrong
    ascending = page(bench, sort="latency_ms").next
    assert api.get(path, params={"sort": "-latency_ms", "after": ascending}).status_code == 422
    assert api.get("/v1/targets/nobody/facets").status_code == 404
