"""Targets beside each other, on the workloads that all of them measured.

A workload's key is a hash, and its median is kept as samples come. So the workloads before some
key are a random part of all, the same for each target and every reader, read in one go: targets
with more workloads than are looked at are compared on such a part, and the answer says how much.
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
from lpnet_service.repositories.tallies import TallyRepository
from lpnet_service.repositories.workloads import WorkloadRepository
from lpnet_service.services.shared.targets import require_target

# Of all targets together.
MAX_WORKLOADS = 20_000
_KEY_DIGITS = 12


@dataclass(frozen=True)
class Common:
    """Workloads in common: keys in their order, latencies (N, T) in ms, and (kind, space, block)
    of each; `share` is the part of all workloads that was looked at."""

    targets: tuple[ComparedTarget, ...]
    keys: Sequence[str]
    latency: NDArray[np.float64]
    facts: Sequence[tuple[str, str | None, str | None]]
    share: float

    @property
    def ratio(self) -> NDArray[np.float64]:
        """Latency over that of the first target, (N, T)."""
        return self.latency / self.latency[:, :1]

    @property
    def fastest(self) -> NDArray[np.int64]:
        """The target with the least latency, (N,); of several the first."""
        return self.latency.argmin(axis=1) if len(self.keys) else np.zeros(0, dtype=np.int64)

    def about(self) -> dict[str, Any]:
        """The fields of `Compared`."""
        return {"targets": self.targets, "workloads": len(self.keys), "share": self.share}


def common(session: Session, names: Sequence[str]) -> Common:
    """The workloads of which each target's current epoch has undisturbed samples.

    NotFound for an unknown target, BadRequest for one that is named twice.
    """
    if len(set(names)) < len(names):
        raise BadRequest("target: each may be named once")
    rows = [require_target(session, name) for name in names]
    before = _before(session, rows)
    others = [WorkloadRepository(session).medians(row.name, row.epoch, before) for row in rows[1:]]
    shared = [
        known
        for known in WorkloadRepository(session).rows(rows[0].name, rows[0].epoch, before)
        if all(known[0] in other for other in others)
    ]
    keys = [key for key, *_ in shared]
    latency = [[ms for _, ms, *_ in shared], *([other[key] for key in keys] for other in others)]
    return Common(
        targets=tuple(_about(session, row) for row in rows),
        keys=keys,
        latency=np.array(latency, dtype=np.float64).T,
        facts=[(kind, space, block) for _, _, kind, space, block in shared],
        share=1.0 if before is None else int(before[:_KEY_DIGITS], 16) / 16**_KEY_DIGITS,
    )


def _before(session: Session, rows: Sequence[TargetRow]) -> str | None:
    """The key before which every target has few enough workloads; None: it has no more."""
    most = MAX_WORKLOADS // len(rows)
    ends = [WorkloadRepository(session).key_at(row.name, row.epoch, most) for row in rows]
    return min((end for end in ends if end is not None), default=None)


def _about(session: Session, row: TargetRow) -> ComparedTarget:
    lpnet = LPNetRepository(session).active(row.name)
    epoch = TallyRepository(session).get_epoch(row.name, row.epoch)
    return ComparedTarget(
        target=row.name,
        epoch=row.epoch,
        lpnet=lpnet.id if lpnet else None,
        noise_floor_pct=epoch.noise_floor_pct if epoch else None,
    )
