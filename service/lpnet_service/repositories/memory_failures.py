"""Workloads that did not fit in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from lpnet_service.db.rows import MemoryFailureRow
from lpnet_service.repositories.inserts import insert_ignoring


class MemoryFailureRepository:
    """Workloads that did not fit in memory."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, rows: Sequence[dict[str, Any]]) -> None:
        """Store failures, keeping those already stored for the same target and epoch."""
        if rows:
            key = ("target", "epoch", "workload_key")
            self._session.execute(
                insert_ignoring(self._session, MemoryFailureRow, *key), list(rows)
            )

    def of_epoch(self, target: str, epoch: int) -> dict[str, str]:
        query = select(MemoryFailureRow.workload_key, MemoryFailureRow.workload_json).where(
            MemoryFailureRow.target == target, MemoryFailureRow.epoch == epoch
        )
        return {key: workload for key, workload in self._session.execute(query)}

    def epochs(self) -> set[tuple[str, int]]:
        query = select(MemoryFailureRow.target, MemoryFailureRow.epoch).distinct()
        return {(target, epoch) for target, epoch in self._session.execute(query)}
