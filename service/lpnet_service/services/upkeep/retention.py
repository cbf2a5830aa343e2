"""What is kept no longer: looked up, or exported and deleted, a little at a time.

Nothing goes that the LPNet in use was trained or is judged on: samples of its epoch and of the
current one stay, those that were disturbed and old readings of sentinels excepted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO

from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session

from lpnet.schemas.condition import LEVEL_READINGS
from lpnet_service.db.rows import Base, CampaignRow, JobRow, LPNetRow, RunRow, SampleRow
from lpnet_service.repositories.campaigns import CampaignRepository
from lpnet_service.repositories.devices import DeviceRepository
from lpnet_service.repositories.lpnets import LPNetRepository
from lpnet_service.repositories.retention import ExpiredRows, RetentionRepository, expired_tokens
from lpnet_service.repositories.samples import SampleRepository
from lpnet_service.repositories.tallies import TallyRepository
from lpnet_service.services.shared import artifacts, tallies
from lpnet_service.services.shared.context import Context

# Of samples in one unit: some milliseconds, in which others wait.
_BATCH = 500


@dataclass
class Gone:
    """What went of a target, or would go: samples by reason, other rows by table."""

    samples: dict[str, int] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)

    def count(self, table: str, number: int) -> None:
        if number:
            self.rows[table] = self.rows.get(table, 0) + number


@dataclass(frozen=True)
class Retained:
    """What went, or would go: of targets; sessions and tokens; files of LPNets that nobody
    names."""

    targets: dict[str, Gone]
    tokens: dict[str, int]
    artifacts: int


def look(ctx: Context, before: datetime) -> Retained:
    """What `retain` would delete now; nothing is changed.

    Artifacts are those that nobody names yet: the ones of LPNets that go come to them.
    """
    found = {}
    for target in _targets(ctx):
        with ctx.db.read() as session:
            found[target] = _look(session, _keeping(session, target, before))
    ended = expired_tokens(before)
    with ctx.db.read() as session:
        counts = {
            row: RetentionRepository(session).count(row, where) for row, where in ended.items()
        }
    return Retained(found, _named(counts), artifacts.unused(ctx))


def _named(counts: dict[type[Base], int]) -> dict[str, int]:
    return {row.__tablename__: number for row, number in counts.items() if number}


def _look(session: Session, keeping: ExpiredRows) -> Gone:
    gone = Gone()
    for reason, where in keeping.samples().items():
        if number := RetentionRepository(session).count(SampleRow, where):
            gone.samples[reason] = number
    conditions: dict[type[Base], ColumnElement[bool]] = {
        CampaignRow: keeping.campaigns(),
        JobRow: keeping.jobs(),
        RunRow: keeping.runs(),
        LPNetRow: keeping.lpnets(),
        **keeping.epochs(),
    }
    for row, where in conditions.items():
        gone.count(row.__tablename__, RetentionRepository(session).count(row, where))
    return gone


def retain(ctx: Context, before: datetime, export: Path | None = None) -> Retained:
    """Delete what was stored, finished or trained before a moment and is needed no more.

    Samples are first written to `export`/TARGET.jsonl, from where `lpnet import` takes them. A
    unit is small, so that a service goes on meanwhile; what is interrupted is continued by the
    next call, and samples that are then exported twice have the same ids. OSError where the export
    cannot be written, NoArtifact where the store of artifacts is out of reach.
    """
    gone = {}
    for target in _targets(ctx):
        gone[target] = Gone()
        with _lines(export, target) as file:
            _samples(ctx, target, before, file, gone[target])
        _campaigns(ctx, target, before, gone[target])
        _others(ctx, target, before, gone[target])
    ended = expired_tokens(before)
    counts = {row: _delete(ctx, row, where) for row, where in ended.items()}
    return Retained(gone, _named(counts), artifacts.sweep(ctx))


def _delete(ctx: Context, row: type[Base], where: ColumnElement[bool]) -> int:
    count, more = 0, True
    while more:
        with ctx.db.write() as session:
            number = RetentionRepository(session).delete_batch(row, where, _BATCH)
        count, more = count + number, number > 0
    return count


def _targets(ctx: Context) -> list[str]:
    with ctx.db.read() as session:
        return [target.name for target in DeviceRepository(session).list_targets()]


def _keeping(session: Session, target: str, before: datetime) -> ExpiredRows:
    """As things are in this unit: an epoch may have begun since the last."""
    row, lpnet = (
        DeviceRepository(session).get_target(target),
        LPNetRepository(session).active(target),
    )
    assert row is not None
    epoch = min(row.epoch, lpnet.epoch) if lpnet else row.epoch
    levels = SampleRepository(session).first_sentinel_readings(
        target, range(epoch, row.epoch + 1), most=LEVEL_READINGS
    )
    return ExpiredRows(target, epoch, before, [sample.seq for sample in levels])


def _samples(
    ctx: Context, target: str, before: datetime, file: IO[str] | None, gone: Gone
) -> None:
    more = True
    while more:
        more = False
        with ctx.db.write() as session:
            TallyRepository(session).lock(target)
            keeping = _keeping(session, target, before)
            for reason, where in keeping.samples().items():
                found = RetentionRepository(session).lock_samples(where, _BATCH)
                if not found:
                    continue
                more = True
                if file is not None:
                    _write(file, [row.body_json for row in found])
                places = {(row.epoch, row.workload_key) for row in found}
                with tallies.kept(session, target, places):
                    RetentionRepository(session).delete_samples([row.seq for row in found])
                gone.samples[reason] = gone.samples.get(reason, 0) + len(found)


@contextmanager
def _lines(folder: Path | None, target: str) -> Iterator[IO[str] | None]:
    if folder is None:
        yield None
        return
    path = folder / f"{target}.jsonl"
    with path.open("a", encoding="utf-8") as file:
        yield file
    if not path.stat().st_size:
        path.unlink()


def _write(file: IO[str], bodies: list[str]) -> None:
    """On the disk before they are deleted."""
    file.writelines(f"{body}\n" for body in bodies)
    file.flush()
    os.fsync(file.fileno())


def _campaigns(ctx: Context, target: str, before: datetime, gone: Gone) -> None:
    with ctx.db.read() as session:
        where = _keeping(session, target, before).campaigns()
        ids = RetentionRepository(session).campaign_ids(where)
    for id_ in ids:
        with ctx.db.write() as session:
            campaign = CampaignRepository(session).lock(id_)
            where = _keeping(session, target, before).campaigns()
            if campaign is None or not RetentionRepository(session).count(
                CampaignRow, where & (CampaignRow.id == id_)
            ):
                continue
            jobs, runs = RetentionRepository(session).delete_campaign(id_)
            gone.count("campaigns", 1)
            gone.count("jobs", jobs)
            gone.count("runs", runs)


def _others(ctx: Context, target: str, before: datetime, gone: Gone) -> None:
    """Runs before the LPNets that they made."""
    conditions = (
        lambda keeping: {RunRow: keeping.runs()},
        lambda keeping: {LPNetRow: keeping.lpnets()},
        lambda keeping: keeping.epochs(),
    )
    for condition in conditions:
        more = True
        while more:
            more = False
            with ctx.db.write() as session:
                for row, where in condition(_keeping(session, target, before)).items():
                    number = RetentionRepository(session).delete_batch(row, where, _BATCH)
                    gone.count(row.__tablename__, number)
                    more = more or number > 0
