"""Recorded visits to workloads: repeats and probes, as arrays in a small file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lpnet_agent.measure.probes import Probes
from lpnet_agent.measure.repeats import Repeats

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class RecordedVisit:
    """A visit to the workload of that number; `other_cores` is the busy share of the others."""

    workload: int
    repeats: Repeats
    other_cores: float | None = None

    @property
    def start(self) -> int:
        return int(self.repeats.started[0])


@dataclass(frozen=True)
class Recording:
    """Visits in chronological order, and the names of the workloads."""

    names: tuple[str, ...]
    visits: tuple[RecordedVisit, ...]

    @property
    def seconds(self) -> float:
        last = self.visits[-1].repeats
        return float(last.started[-1] + last.wall[-1] - self.visits[0].start) / 1e9

    def of(self, workload: int) -> list[RecordedVisit]:
        return [visit for visit in self.visits if visit.workload == workload]

    def part(self, step: int, visits: int) -> Recording:
        """Every so many workloads, with their first visits."""
        left = dict.fromkeys(range(0, len(self.names), step), visits)
        kept = []
        for visit in self.visits:
            if left.get(visit.workload, 0) > 0:
                left[visit.workload] -= 1
                kept.append(replace(visit, workload=visit.workload // step))
        return Recording(self.names[::step], tuple(kept))

    def save(self, path: Path) -> None:
        """Times are relative to the start. Visits without probes cannot be saved."""
        repeats = [visit.repeats for visit in self.visits]
        probes = [part.probes for part in repeats if part.probes is not None]
        origin = self.visits[0].start
        np.savez_compressed(
            path,
            names=np.array(self.names),
            workload=np.array([visit.workload for visit in self.visits], dtype=np.int32),
            inner=np.array([part.inner for part in repeats], dtype=np.int32),
            count=np.array([len(part) for part in repeats], dtype=np.int32),
            probe_count=np.array([part.at.size for part in probes], dtype=np.int32),
            started=_gaps([part.started for part in repeats], origin),
            wall=_whole([part.wall for part in repeats]),
            cpu=_whole([part.cpu for part in repeats]),
            waited=_whole([part.waited for part in repeats if part.waited is not None]),
            at=_gaps([part.at for part in probes], origin),
            arithmetic_ns=_whole([part.arithmetic_ns for part in probes]),
            other_cores=np.array([visit.other_cores for visit in self.visits], dtype=np.float32),
        )

    @classmethod
    def load(cls, path: Path) -> Recording:
        with np.load(path) as arrays:
            columns = {name: arrays[name] for name in arrays.files}
        started, at = np.cumsum(columns["started"]), np.cumsum(columns["at"])
        ends, probe_ends = np.cumsum(columns["count"]), np.cumsum(columns["probe_count"])
        visits = []
        for index, workload in enumerate(columns["workload"]):
            own = slice(ends[index] - columns["count"][index], ends[index])
            part = slice(probe_ends[index] - columns["probe_count"][index], probe_ends[index])
            probes = Probes(at[part], columns["arithmetic_ns"][part].astype(float))
            wall, cpu, waited = (
                columns[n][own].astype(np.int64) for n in ("wall", "cpu", "waited")
            )
            inner = int(columns["inner"][index])
            repeats = Repeats(started[own], wall, cpu, waited, inner, probes=probes)
            share = float(columns["other_cores"][index])
            other_cores = None if np.isnan(share) else share
            visits.append(RecordedVisit(int(workload), repeats, other_cores))
        return cls(tuple(str(name) for name in columns["names"]), tuple(visits))


def _whole(parts: Sequence[NDArray[np.int64] | NDArray[np.float64]]) -> NDArray[np.int32]:
    return np.round(np.concatenate(parts)).astype(np.int32)


def _gaps(parts: Sequence[Ints], origin: int) -> Ints:
    """Differences compress better than times."""
    times = np.concatenate([[origin], *parts])
    gaps: Ints = times[1:] - times[:-1]
    return gaps
