"""Targets compared on the workloads that all of them measured.

A workload's key is a hash, and its median latency is stored. So the workloads below some key are a
random part of all workloads, the same part for each target and every reader, read in one query.
Targets with many workloads are compared on such a part, and the answer states its share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from lpnet.schemas.compare import ComparedTarget
from lpnet_service.db.rows import TargetRow
from lpnet_service.errors import BadRequest
from lpnet_service.repositories.lpnets import LPNetRepository
from lpnet_service.repositories.workloads import WorkloadRepository
from lpnet_service.services.shared.targets import noise_floor_pct_of, require_target

# Of all targets together.
MAX_WORKLOADS = 20_000
_KEY_DIGITS = 12


@dataclass(frozen=True)
class CommonWorkloads:
    """The workloads that N targets have in common.

    keys       workload keys, ascending
    latency    ms, (workloads, targets)
    facts      (kind, space, block) of each workload
    share      the part of all workloads that was compared
    """

    targets: tuple[ComparedTarget, ...]
    keys: Sequence[str]
    latency: NDArray[np.float64]
    facts: Sequence[tuple[str, str | None, str | None]]
    share: float

    @property
    def ratio(self) -> NDArray[np.float64]:
        """Latency over that of the first target, (workloads, targets)."""
        return self.latency / self.latency[:, :1]

    @property
    def fastest(self) -> NDArray[np.int64]:
        """Index of the fastest target of each workload; the first one of a tie."""
        return self.latency.argmin(axis=1) if len(self.keys) else np.zeros(0, dtype=np.int64)

    def summary_fields(self) -> dict[str, Any]:
        return {"targets": self.targets, "workloads": len(self.keys), "share": self.share}


def common_workloads(session: Session, names: Sequence[str]) -> CommonWorkloads:
    """The workloads with undisturbed samples in the current epoch of every target.

    Raises BadRequest for a target that is named twice.
    """
    if len(set(names)) < len(names):
        raise BadRequest("target: name each target once")
    rows = [require_target(session, name) for name in names]
    before = _key_limit(session, rows)
    workloads = WorkloadRepository(session)
    other_medians = [workloads.medians(row.name, row.epoch, before) for row in rows[1:]]
    common = [
        workload
        for workload in workloads.rows(rows[0].name, rows[0].epoch, before)
        if all(workload[0] in medians for medians in other_medians)
    ]
    keys = [key for key, *_ in common]
    latency = [[ms for _, ms, *_ in common]]
    latency += [[medians[key] for key in keys] for medians in other_medians]
    return CommonWorkloads(
        targets=tuple(_compared_target(session, row) for row in rows),
        keys=keys,
        latency=np.array(latency, dtype=np.float64).T,
        facts=[(kind, space, block) for _, _, kind, space, block in common],
        share=1.0 if before is None else int(before[:_KEY_DIGITS], 16) / 16**_KEY_DIGITS,
    )


def _key_limit(session: Session, rows: Sequence[TargetRow]) -> str | None:
    """The key below which no target has too many workloads; None if no limit is needed."""
    workloads = WorkloadRepository(session)
    max_each = MAX_WORKLOADS // len(rows)
    limits = [workloads.key_at(row.name, row.epoch, max_each) for row in rows]
    return min((limit for limit in limits if limit is not None), default=None)


def _compared_target(session: Session, row: TargetRow) -> ComparedTarget:
    lpnet = LPNetRepository(session).active(row.name)
    return ComparedTarget(
        target=row.name,
        epoch=row.epoch,
        lpnet=lpnet.id if lpnet else None,
        noise_floor_pct=noise_floor_pct_of(session, row),
    )
