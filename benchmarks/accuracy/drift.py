"""How soon a drift from an LPNet is detected, on tables that others measured several times.

    LPNET_DATA=... python -m benchmarks.accuracy.drift [--samples 300] [--seeds 5]

Trains on rows of one run of NetAdapt's measurements, and holds out 60 more. Then come rows of the
run that repeats it, which has not drifted; other rows of that run, 5% slower; and rows of a run in
other conditions, 11 to 23% away. Prints after how many rows the test of
`lpnet_service.training.drifting` is certain. The tolerance is the noise floor: the repetition
differs by a common factor of up to 2%.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.accuracy.study import tables
from benchmarks.accuracy.study.sources import SOURCES, Source
from lpnet.model.base import LatencyModel
from lpnet.model.op_process import OpProcess
from lpnet_service.training import Record
from lpnet_service.training.drifting import COVERAGE, Drift, detect
from lpnet_service.training.headers import new_header
from lpnet_service.training.records import RecordSet, Vector
from lpnet_service.training.registry import trainer_of
from lpnet_service.training.threads import one_thread

_FILE = "netadapt_alexnet_width__unknown_gpu_{}"
_HELD_OUT = 60
_STATIONARY = 1_000
_DRIFTED = 100
_SHIFT = 1.05

Run = dict[tuple[str, ...], Record]


@dataclass(frozen=True)
class Outcome:
    """What was detected among rows without drift, 5% slower ones, and those of another run."""

    stationary: Drift | None
    slower: Drift | None
    other: Drift | None


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    for name, source in SOURCES.items():
        if source.file == _FILE.format("b2"):
            first, again, other = (read(source, _FILE.format(run)) for run in ("b2", "b3", "b1"))
            outcomes = [
                judge(first, again, other, options.samples, seed) for seed in range(options.seeds)
            ]
            print(f"{name}: {_summary(outcomes)}", flush=True)


def read(source: Source, file: str) -> Run:
    """The records of a run by the columns of their rows."""
    return {
        tuple(row[column] for column in source.columns): tables.record(file, index, row, source)
        for index, row in enumerate(tables.kept(source, file))
    }


def judge(first: Run, again: Run, other: Run, samples: int, seed: int) -> Outcome:
    keys = sorted(first.keys() & again.keys() & other.keys())
    order = [keys[index] for index in np.random.default_rng(seed).permutation(len(keys))]
    model = _fit([first[key] for key in order[:samples]], seed)
    held_out, others = order[samples:][:_HELD_OUT], order[samples + _HELD_OUT :]
    reference = _scaled(model, [first[key] for key in held_out])
    tolerance = noise_floor(first, again)
    drifted, stationary = others[:_DRIFTED], others[_DRIFTED:][:_STATIONARY]
    slower = [again[key] for key in drifted]
    return Outcome(
        *(
            detect(*_compared(model, stream), tolerance, reference)
            for stream in (
                [again[key] for key in stationary],
                [replace(row, latency_ms=_SHIFT * row.latency_ms) for row in slower],
                [other[key] for key in drifted],
            )
        )
    )


def noise_floor(first: Run, again: Run) -> float:
    """The median difference between two runs, as a log ratio."""
    keys = first.keys() & again.keys()
    ms = np.array([[run[key].latency_ms for run in (first, again)] for key in keys])
    return float(np.median(np.abs(np.log(ms[:, 0] / ms[:, 1]))))


def _fit(training: Sequence[Record], seed: int) -> LatencyModel:
    records = RecordSet.of(training)
    header = new_header(records, "drift", 1, seed, None)
    with one_thread():
        model: LatencyModel = trainer_of(OpProcess.kind).fit(
            records, header, lambda share, stage: None
        )
    return model


def _scaled(model: LatencyModel, records: Sequence[Record]) -> Vector:
    ratio, half_width = _compared(model, records)
    return ratio / half_width


def _compared(model: LatencyModel, stream: Sequence[Record]) -> tuple[Vector, Vector]:
    """The log of measured over predicted, and the half width of the interval."""
    predicted = trainer_of(model.kind).predict(model, RecordSet.of(stream))
    measured = np.array([record.latency_ms for record in stream])
    factor = model.header.calibration.quantile(COVERAGE, "block")
    return np.log(measured / predicted.ms), factor * predicted.spread


def _summary(outcomes: Sequence[Outcome]) -> str:
    alarms = sum(outcome.stationary is not None for outcome in outcomes)
    slower = _delays([outcome.slower for outcome in outcomes])
    other = _delays([outcome.other for outcome in outcomes])
    return (
        f"{alarms} of {len(outcomes)} streams of {_STATIONARY} rows without drift alarm; "
        f"5% slower {slower}; another run {other}"
    )


def _delays(drifts: Sequence[Drift | None]) -> str:
    rows = [drift.detected + 1 for drift in drifts if drift is not None]
    ratios = [drift.ratio for drift in drifts if drift is not None]
    if not rows:
        return f"never within {_DRIFTED} rows"
    return (
        f"after {statistics.median(rows):.0f} rows, {max(rows)} at most, in {len(rows)} of "
        f"{len(drifts)} streams, {statistics.median(ratios):.2f} times the prediction"
    )


if __name__ == "__main__":
    main()
