"""Seconds per workload on a target, estimated from its finished jobs. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lpnet.schemas.workload import Kind

KINDS: tuple[Kind, Kind] = ("block", "network")


@dataclass(frozen=True)
class FinishedJob:
    """How many blocks and networks a job had, and its wall time, s."""

    block: int
    network: int
    seconds: float


@dataclass(frozen=True)
class Pace:
    """Mean wall time per workload of a kind, s (None: unknown), over `workloads` of them."""

    seconds: float | None
    workloads: int


def paces(jobs: Sequence[FinishedJob]) -> dict[Kind, Pace]:
    """Seconds per workload of each kind.

    Most jobs hold both kinds, so both figures come from one least-squares fit to the wall times of
    all jobs. A kind has no figure if no job has it, or if these jobs do not separate the kinds.
    """
    counts = np.array([(job.block, job.network) for job in jobs], dtype=np.float64).reshape(-1, 2)
    seconds = np.array([job.seconds for job in jobs])
    totals = counts.sum(axis=0)
    fitted: list[float | None] = [None, None]
    present = np.flatnonzero(totals)
    if len(present) and np.linalg.matrix_rank(counts) == len(present):
        slopes, *_ = np.linalg.lstsq(counts[:, present], seconds, rcond=None)
        for index, slope in zip(present, slopes, strict=True):
            # Not positive: the jobs are too few and too uneven.
            fitted[index] = float(slope) if slope > 0 else None
    return {kind: Pace(fitted[index], int(totals[index])) for index, kind in enumerate(KINDS)}
