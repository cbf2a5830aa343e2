"""How long a workload takes on a target, from the jobs it has finished. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lpnet.schemas.workload import Kind

KINDS: tuple[Kind, Kind] = ("block", "network")


@dataclass(frozen=True)
class FinishedJob:
    """How many workloads of each kind a job had, and its wall time, s."""

    block: int
    network: int
    seconds: float


@dataclass(frozen=True)
class Pace:
    """Wall time of a workload of a kind, s (None: not known), and of how many that is the mean."""

    seconds: float | None
    workloads: int


def paces(jobs: Sequence[FinishedJob]) -> dict[Kind, Pace]:
    """Seconds per workload of each kind.

    Most jobs hold both kinds, so the two figures come from one least-squares fit to the wall times
    of all jobs. A kind that was in no job, or that these jobs do not tell apart, has no figure.
    """
    counts = np.array([(job.block, job.network) for job in jobs], dtype=np.float64).reshape(-1, 2)
    seconds = np.array([job.seconds for job in jobs])
    totals = counts.sum(axis=0)
    fitted: list[float | None] = [None, None]
    present = np.flatnonzero(totals)
    if len(present) and np.linalg.matrix_rank(counts) == len(present):
        found, *_ = np.linalg.lstsq(counts[:, present], seconds, rcond=None)
        for place, each in zip(present, found, strict=True):
            # Below zero the jobs are too few and too uneven to tell.
            fitted[place] = float(each) if each > 0 else None
    return {kind: Pace(fitted[place], int(totals[place])) for place, kind in enumerate(KINDS)}
