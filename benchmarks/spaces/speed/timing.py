"""Timing one network in this process, which should be a new one:

python -m benchmarks.spaces.speed.timing NETWORK space | export | torch-pruning

Prints seconds as JSON. Torch runs on one thread.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import random
import time
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from typing import TypeVar

import torch

from benchmarks.spaces.drawing import draw
from benchmarks.spaces.exporting import Exports, export
from benchmarks.spaces.speed.networks import build
from lpnet.space.space import Space

Times = dict[str, float]
_T = TypeVar("_T")


def main() -> int:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("network")
    parser.add_argument("kind", choices=_KINDS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.disable(logging.ERROR)
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        times = _KINDS[options.kind](options.network)
    print(json.dumps(times))
    return 0


def _space(name: str) -> Times:
    """Making the space, split into exports and everything else, and using it."""
    model, example = build(name)
    # Otherwise the first call imports it.
    _, importing = _timed(lambda: import_module("lpnet.space.modelling"))
    with Exports() as exports:
        space, total = _timed(lambda: Space.from_model(model, example, name=name))
    kept = draw(space, random.Random(0), 0)
    data, writing = _timed(space.to_bytes)
    _, reading = _timed(lambda: Space.from_bytes(data))
    _, pruning = _timed(lambda: space.prune(model, kept))
    proto = export(model, example)
    _, pruning_onnx = _timed(lambda: space.prune_onnx(proto, kept))
    return {
        "ops": len(space.table.rows),
        "widths": len(space.widths),
        "import_s": importing,
        "export_s": exports.seconds,
        "own_s": total - exports.seconds,
        "to_bytes_s": writing,
        "from_bytes_s": reading,
        "prune_s": pruning,
        "prune_onnx_s": pruning_onnx,
    }


def _export(name: str) -> Times:
    model, example = build(name)
    return {"bare_export_s": _timed(lambda: export(model, example))[1]}


def _torch_pruning(name: str) -> Times:
    import torch_pruning

    model, example = build(name)
    graph = torch_pruning.DependencyGraph()
    return {"torch_pruning_s": _timed(lambda: graph.build_dependency(model, example))[1]}


_KINDS = {"space": _space, "export": _export, "torch-pruning": _torch_pruning}


def _timed(work: Callable[[], _T]) -> tuple[_T, float]:
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


if __name__ == "__main__":
    raise SystemExit(main())
