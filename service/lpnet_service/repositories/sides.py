"""Which workloads of an epoch are held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from lpnet_service.db.rows import SideRow


class SideRepository:
    """Which workloads of an epoch are held out."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def of_epoch(self, target: str, epoch: int) -> dict[str, tuple[str, bool]]:
        """Kind and whether held out, by workload key."""
        query = select(SideRow.workload_key, SideRow.kind, SideRow.held_out).where(
            SideRow.target == target, SideRow.epoch == epoch
        )
        return {key: (kind, held_out) for key, kind, held_out in self._session.execute(query)}

    def of_keys(self, target: str, epoch: int, keys: Sequence[str]) -> dict[str, bool]:
        query = select(SideRow.workload_key, SideRow.held_out).where(
            SideRow.target == target, SideRow.epoch == epoch, SideRow.workload_key.in_(keys)
        )
        return {key: held_out for key, held_out in self._session.execute(query)}

    def add(self, target: str, epoch: int, sides: Mapping[str, tuple[str, bool]]) -> None:
        """Store sides of workloads that have none yet: (kind, held out) by workload key."""
        if not sides:
            return
        self._session.execute(
            insert(SideRow),
            [
                {
                    "target": target,
                    "epoch": epoch,
                    "workload_key": key,
                    "kind": kind,
                    "held_out": held_out,
                }
                for key, (kind, held_out) in sides.items()
            ],
        )
