"""Workloads that did not fit in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from lpnet_service.db.rows import MemoryFailureRow
from lpnet_service.repositories.rows import insert_ignoring


def add(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Store failures; one that its target's epoch has already stays as it was."""
    if rows:
        key = ("target", "epoch", "workload_key")
        session.execute(insert_ignoring(session, MemoryFailureRow, *key), list(rows))


def of_epoch(session: Session, target: str, epoch: int) -> dict[str, str]:
    """The workloads that failed, as JSON, by their keys."""
    query = select(MemoryFailureRow.workload_key, MemoryFailureRow.workload_json).where(
        MemoryFailureRow.target == target, MemoryFailureRow.epoch == epoch
    )
    return {key: workload for key, workload in session.execute(query)}


def epochs(session: Session) -> set[tuple[str, int]]:
    """Targets and epochs that have failures."""
    query = select(MemoryFailureRow.target, MemoryFailureRow.epoch).distinct()
    return {(target, epoch) for target, epoch in session.execute(query)}
