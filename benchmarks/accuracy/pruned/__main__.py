"""Errors of an LPNet where pruners use it, on this machine.

    python -m benchmarks.accuracy.pruned [measure|judge] [--runtime onnxruntime] [--folder DIR]
        [--minutes 15] [--keep-going] [--seed 0] [--quick] [--retrain] [--write]

`measure` needs a quiet machine. It measures blocks and networks of MobileNetV2 and of a network
with squeeze-excite, half of their widths unaligned, trains an LPNet, and measures networks that it
chooses by optimising the LPNet's predictions, then two more spaces, and repeats. Every sample is
kept in --folder, and a second run measures only what is missing. It measures for at most
--minutes, the training not counted.

`judge` measures nothing. It prints errors on held-out workloads over the noise floor, on the
chosen networks, on spaces that the LPNet was not trained on, and which fast widths it detects.
With --retrain the current code trains the LPNet again; what chose the networks stays. --write
writes benchmarks/accuracy/pruned.json and docs/results/pruned-networks.md.

Without either word both are done. --quick measures few workloads, for development.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from benchmarks.accuracy.pruned import docs, results
from benchmarks.accuracy.pruned.cache import Cache
from benchmarks.accuracy.pruned.choosing import choose
from benchmarks.accuracy.pruned.judging import Parts, floors, judge, table_of
from benchmarks.accuracy.pruned.measuring import Recorder, TimeIsOver
from benchmarks.accuracy.pruned.parts import QUICK, TRAINED, Counts
from benchmarks.accuracy.pruned.tables import section
from benchmarks.accuracy.pruned.training import train_and_report
from lpnet.errors import LpnetError
from lpnet.model.base import LatencyModel
from lpnet.predictor.predictor import Predictor
from lpnet.progress import terminal_progress
from lpnet.schemas.report import Report


def main() -> int:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", nargs="?", choices=("measure", "judge"), help="default: both")
    parser.add_argument("--runtime", default="onnxruntime")
    parser.add_argument("--folder", type=Path, help="default: lpnet-accuracy/pruned-RUNTIME")
    parser.add_argument("--minutes", type=float, default=15.0, help="to measure for at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep-going", action="store_true", help="measure even while disturbed")
    parser.add_argument("--quick", action="store_true", help="few workloads, for development")
    parser.add_argument("--retrain", action="store_true", help="train the LPNet again")
    parser.add_argument("--write", action="store_true", help="write the results and the docs")
    options = parser.parse_args()
    name = f"pruned-{options.runtime}{'-quick' if options.quick else ''}"
    cache = Cache(options.folder or Path("lpnet-accuracy", name))
    counts = QUICK if options.quick else Counts()
    try:
        if options.step != "judge":
            _measure(cache, counts, options)
        if options.step != "measure":
            _judge(cache, counts, options)
    except LpnetError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _measure(cache: Cache, counts: Counts, options: argparse.Namespace) -> None:
    recorder = Recorder(
        cache,
        options.runtime,
        60 * options.minutes,
        options.seed,
        keep_going=options.keep_going,
    )
    try:
        _record(recorder, cache, counts, options.seed)
    except TimeIsOver as over:
        print(over, file=sys.stderr)
    print(f"measured for {recorder.seconds:.0f} s; the samples are in {cache.folder}")


def _record(recorder: Recorder, cache: Cache, counts: Counts, seed: int) -> None:
    parts = Parts(cache, counts, seed)
    recorder.measure(parts.base)
    recorder.repeat(parts.of("test"), counts.repeats)
    if cache.choices is None:
        _train_and_choose(cache, counts, seed)
    parts = Parts(cache, counts, seed)
    recorder.measure(parts.chosen)
    recorder.measure(parts.unseen)
    recorder.repeat(parts.chosen, counts.repeats)


def _train_and_choose(cache: Cache, counts: Counts, seed: int) -> None:
    began = time.monotonic()
    lpnet, report = _train(cache, counts, seed)
    cache.keep_trained(lpnet, report)
    print(f"trained for {time.monotonic() - began:.0f} s: {lpnet.kind}", flush=True)
    with terminal_progress() as progress:
        choices = [
            choice
            for network in TRAINED
            for choice in choose(
                Predictor(lpnet, cache.space(network)), network, counts.budgets, seed, progress
            )
        ]
    cache.keep_choices(choices)


def _train(cache: Cache, counts: Counts, seed: int) -> tuple[LatencyModel, Report]:
    parts = Parts(cache, counts, seed)
    table = table_of(cache, parts.base)
    floor = floors(cache, parts.base)["network"].pct
    test = [*parts.of("test"), *parts.of("sweep")]
    with terminal_progress() as progress:
        return train_and_report(table, parts.of("train"), test, floor, seed, progress)


def _judge(cache: Cache, counts: Counts, options: argparse.Namespace) -> None:
    trained = None if options.retrain else cache.trained
    lpnet, report = trained or _train(cache, counts, options.seed)
    with terminal_progress() as progress:
        result = judge(
            cache,
            counts,
            seed=options.seed,
            quick=options.quick,
            lpnet=lpnet,
            report=report,
            progress=progress,
        )
    print(section(result))
    if options.write:
        results.write(result)
        docs.write()


if __name__ == "__main__":
    sys.exit(main())
