"""Deletes old rows that are no longer needed, in small batches.

Whatever the active LPNet was trained or tested on stays: all samples of its epoch and of the
current one, except disturbed samples and old readings of sentinels.
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
from lpnet_service.repositories.retention import (
    ExpiredRows,
    RetentionRepository,
    expired_tokens,
)
from lpnet_service.repositories.samples import SampleRepository
from lpnet_service.repositories.tallies import TallyRepository
from lpnet_service.services.shared import artifacts, tallies
from lpnet_service.services.shared.context import Context

# Rows per transaction: it takes milliseconds, during which others wait.
_BATCH = 500


@dataclass
class Removed:
    """What was, or would be, deleted of a target: samples by reason, other rows by table."""

    samples: dict[str, int] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)

    def count(self, table: str, number: int) -> None:
        if number:
            self.rows[table] = self.rows.get(table, 0) + number


@dataclass(frozen=True)
class RetentionResult:
    """What was, or would be, deleted: by target, tokens and sessions by table, LPNet files."""

    targets: dict[str, Removed]
    tokens: dict[str, int]
    artifacts: int


def preview(ctx: Context, before: datetime) -> RetentionResult:
    """What `retain` would delete now.

    `artifacts` does not include the files of LPNets that would be deleted, only files that belong
    to no LPNet already.
    """
    removed = {}
    for target in _target_names(ctx):
        with ctx.db.read() as session:
            removed[target] = _count_expired(session, _expired_rows(session, target, before))
    with ctx.db.read() as session:
        repository = RetentionRepository(session)
        counts = {
            row: repository.count(row, where) for row, where in expired_tokens(before).items()
        }
    return RetentionResult(removed, _by_table(counts), artifacts.unused(ctx))


def _by_table(counts: dict[type[Base], int]) -> dict[str, int]:
    return {row.__tablename__: count for row, count in counts.items() if count}


def _count_expired(session: Session, expired: ExpiredRows) -> Removed:
    repository = RetentionRepository(session)
    removed = Removed()
    for reason, where in expired.samples().items():
        if count := repository.count(SampleRow, where):
            removed.samples[reason] = count
    conditions: dict[type[Base], ColumnElement[bool]] = {
        CampaignRow: expired.campaigns(),
        JobRow: expired.jobs(),
        RunRow: expired.runs(),
        LPNetRow: expired.lpnets(),
        **expired.epochs(),
    }
    for row, where in conditions.items():
        removed.count(row.__tablename__, repository.count(row, where))
    return removed


def retain(ctx: Context, before: datetime, export: Path | None = None) -> RetentionResult:
    """Delete what was stored, finished or trained before a time and is no longer needed.

    Samples are first written to `export`/TARGET.jsonl, which `lpnet import` reads. The service may
    run meanwhile: each transaction is small. If interrupted, the next call continues; samples that
    are then exported twice have the same ids. Raises OSError if the export cannot be written,
    NoArtifact if the artifact store is unreachable.
    """
    removed = {}
    for target in _target_names(ctx):
        removed[target] = Removed()
        with _export_file(export, target) as file:
            _delete_samples(ctx, target, before, file, removed[target])
        _delete_campaigns(ctx, target, before, removed[target])
        _delete_other_rows(ctx, target, before, removed[target])
    counts = {row: _delete_all(ctx, row, where) for row, where in expired_tokens(before).items()}
    return RetentionResult(removed, _by_table(counts), artifacts.sweep(ctx))


def _delete_all(ctx: Context, row: type[Base], where: ColumnElement[bool]) -> int:
    total, deleted = 0, 1
    while deleted:
        with ctx.db.write() as session:
            deleted = RetentionRepository(session).delete_batch(row, where, _BATCH)
        total += deleted
    return total


def _target_names(ctx: Context) -> list[str]:
    with ctx.db.read() as session:
        return [target.name for target in DeviceRepository(session).list_targets()]


def _expired_rows(session: Session, target: str, before: datetime) -> ExpiredRows:
    """The conditions as of this transaction, because an epoch may have begun since the last
    one."""
    row = DeviceRepository(session).get_target(target)
    lpnet = LPNetRepository(session).active(target)
    assert row is not None
    epoch = min(row.epoch, lpnet.epoch) if lpnet else row.epoch
    levels = SampleRepository(session).first_sentinel_readings(
        target, range(epoch, row.epoch + 1), limit=LEVEL_READINGS
    )
    return ExpiredRows(target, epoch, before, [sample.seq for sample in levels])


def _delete_samples(
    ctx: Context, target: str, before: datetime, file: IO[str] | None, removed: Removed
) -> None:
    more = True
    while more:
        more = False
        with ctx.db.write() as session:
            repository = RetentionRepository(session)
            TallyRepository(session).lock(target)
            expired = _expired_rows(session, target, before)
            for reason, where in expired.samples().items():
                samples = repository.lock_samples(where, _BATCH)
                if not samples:
                    continue
                more = True
                if file is not None:
                    _write(file, [sample.body_json for sample in samples])
                workloads = {(sample.epoch, sample.workload_key) for sample in samples}
                with tallies.updated(session, target, workloads):
                    repository.delete_samples([sample.seq for sample in samples])
                removed.samples[reason] = removed.samples.get(reason, 0) + len(samples)


@contextmanager
def _export_file(folder: Path | None, target: str) -> Iterator[IO[str] | None]:
    if folder is None:
        yield None
        return
    path = folder / f"{target}.jsonl"
    with path.open("a", encoding="utf-8") as file:
        yield file
    if not path.stat().st_size:
        path.unlink()


def _write(file: IO[str], bodies: list[str]) -> None:
    # The samples must be on the disk before they are deleted.
    file.writelines(f"{body}\n" for body in bodies)
    file.flush()
    os.fsync(file.fileno())


def _delete_campaigns(ctx: Context, target: str, before: datetime, removed: Removed) -> None:
    with ctx.db.read() as session:
        where = _expired_rows(session, target, before).campaigns()
        ids = RetentionRepository(session).campaign_ids(where)
    for id_ in ids:
        with ctx.db.write() as session:
            repository = RetentionRepository(session)
            campaign = CampaignRepository(session).lock(id_)
            where = _expired_rows(session, target, before).campaigns() & (CampaignRow.id == id_)
            if campaign is None or not repository.count(CampaignRow, where):
                continue
            jobs, runs = repository.delete_campaign(id_)
            removed.count("campaigns", 1)
            removed.count("jobs", jobs)
            removed.count("runs", runs)


def _delete_other_rows(ctx: Context, target: str, before: datetime, removed: Removed) -> None:
    # Runs first: they refer to the LPNets that they made.
    steps = (
        lambda expired: {RunRow: expired.runs()},
        lambda expired: {LPNetRow: expired.lpnets()},
        lambda expired: expired.epochs(),
    )
    for conditions in steps:
        more = True
        while more:
            more = False
            with ctx.db.write() as session:
                expired = _expired_rows(session, target, before)
                for row, where in conditions(expired).items():
                    deleted = RetentionRepository(session).delete_batch(row, where, _BATCH)
                    removed.count(row.__tablename__, deleted)
                    more = more or deleted > 0
