"""Judging one family, in a process of its own:

python -m benchmarks.spaces.judge NAME RECORD.json [--prunings 3] [--pruning-seconds 60]
    [--thorough 1] [--sabotage NAME]
"""

from __future__ import annotations

import argparse
import io
import logging
import random
import time
import warnings
import zlib
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import torch

from benchmarks.spaces import catalogue
from benchmarks.spaces.checks import Checks
from benchmarks.spaces.drawing import draw
from benchmarks.spaces.exporting import Exports
from benchmarks.spaces.networks import Example, call, run
from benchmarks.spaces.randomise import calibrate, randomise
from benchmarks.spaces.record import Frozen, Record, Recorder, Stopped, Wrong
from lpnet.space.space import Space

# One of each kind that `draw` knows.
_LEAST_PRUNINGS = 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("family")
    parser.add_argument("record", type=Path)
    parser.add_argument("--prunings", type=int, default=3)
    parser.add_argument("--pruning-seconds", type=float, default=60.0)
    parser.add_argument("--thorough", type=int, default=1)
    parser.add_argument("--sabotage")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.disable(logging.ERROR)
    if options.sabotage:
        from benchmarks.spaces import sabotage

        sabotage.apply(options.sabotage)
    (family,) = catalogue.chosen([options.family])
    recorder = Recorder(Record(family.name, family.kind), options.record)
    recorder.save()
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            _judge(family, recorder, options)
    except Stopped:
        pass
    recorder.record.finished = True
    recorder.save()
    return 0


def _judge(family: catalogue.Family, recorder: Recorder, options: argparse.Namespace) -> None:
    seed = zlib.crc32(family.name.encode())
    with recorder.stage("build", needed=True):
        model, example = catalogue.build(family)
        randomise(model, seed)
        calibrate(model, lambda: call(model, _larger(example)))
        dense = run(model, example)
    space = _space(model, example, recorder)
    checks = Checks(model, example, dense, space, recorder)
    checks.untouched()
    checks.saved()
    generator = random.Random(seed)
    start = time.monotonic()
    # A space without widths is checked as it is.
    for index in range(options.prunings if space.widths else 1):
        if index >= _LEAST_PRUNINGS and time.monotonic() - start > options.pruning_seconds:
            break
        recorder.pruning = index
        checks.pruning(
            draw(space, generator, index),
            concrete=index < _LEAST_PRUNINGS,
            thorough=index < options.thorough,
        )
        recorder.record.prunings += bool(space.widths)
    recorder.pruning = None


def _space(model: torch.nn.Module, example: Example, recorder: Recorder) -> Space:
    record, start = recorder.record, time.monotonic()
    with Exports() as exports:
        try:
            space = Space.from_model(model, example)
        except Exception as error:
            record.exported, record.export_s = exports.succeeded, round(exports.seconds, 2)
            recorder.fail("space" if exports.succeeded else "export", error)
            raise Stopped from error
    record.exported = record.space = True
    record.export_s = round(exports.seconds, 2)
    record.own_s = round(time.monotonic() - start - exports.seconds, 2)
    record.widths, record.ops = len(space.widths), len(space.table.rows)
    record.channels = getattr(space, "channels", 0)
    record.frozen = [
        Frozen(entry.node, entry.op, entry.reason, entry.channels) for entry in space.frozen
    ]
    if not exports.succeeded:
        recorder.fail("export", Wrong("from_model made a space without an export"))
    return space


def _larger(example: Example) -> Example:
    """Three inputs of a batch, so that a channel of a single pixel varies too."""
    if isinstance(example, torch.Tensor):
        return torch.randn(3, *example.shape[1:], generator=torch.Generator().manual_seed(2))
    return example


if __name__ == "__main__":
    raise SystemExit(main())
