"""The exported network of a pruning job: its subnormal weights, and what they cost here."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Protocol

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from lpnet.pruning.job.images import ImageDataset
from lpnet.subnormals import Subnormals, count_subnormals, significant, zero_subnormals

# The outputs are compared on at most this many test images.
_MAX_IMAGES = 200
# Both networks are timed in turns, until there are enough or the time is over.
_TURNS, _TIMING_S = 30, 4.0


@dataclass(frozen=True)
class Effect:
    """What setting subnormal weights to zero changes.

    `slowdown`: how many times longer the network takes with them, with ONNX Runtime on one thread
    of the machine that pruned it, which need not be the target. `output_change`: the largest
    change of an output on test images; the largest output there is `max_output`.
    """

    slowdown: float
    output_change: float
    max_output: float


@dataclass(frozen=True)
class ExportedWeights:
    """The subnormal weights of the exported network. `zeroed`: the file has them at zero.
    `effect` is None if there are none, or without ONNX Runtime."""

    subnormals: Subnormals
    zeroed: bool
    effect: Effect | None

    def facts(self) -> dict[str, Any] | None:
        """The same as JSON; None if there are none."""
        if not self.subnormals.count:
            return None
        effect = vars(self.effect) if self.effect is not None else {}
        return {
            **self.subnormals.facts(),
            "zeroed": self.zeroed,
            **{
                name: significant(effect[name]) if effect else None
                for name in Effect.__dataclass_fields__
            },
        }


def examine(file: Path, images: ImageDataset, *, zero: bool) -> ExportedWeights:
    """Count the subnormal weights of an exported network and measure their effect.

    With `zero`, the file is rewritten with them at zero. An export may fold BatchNorms into
    convs, and so have subnormal weights that the PyTorch network does not have.
    """
    model = onnx.load(file)
    subnormals = count_subnormals(model)
    if not subnormals.count:
        return ExportedWeights(subnormals, zero, None)
    with_them = model.SerializeToString()
    zero_subnormals(model)
    without = model.SerializeToString()
    if zero:
        file.write_bytes(without)
    return ExportedWeights(subnormals, zero, _effect(with_them, without, images))


def _effect(with_them: bytes, without: bytes, images: ImageDataset) -> Effect | None:
    try:
        sessions = [_session(network) for network in (with_them, without)]
    except ImportError:
        return None
    batch = sessions[0].get_inputs()[0].shape[0]
    test = images.normalised(images.test.images[:_MAX_IMAGES])
    padded = torch.cat([test, test[:1].expand(-len(test) % batch, -1, -1, -1)])
    parts = [part.numpy() for part in torch.split(padded, batch)]
    change = largest = 0.0
    for part in parts:
        old, new = (_outputs(session, part) for session in sessions)
        change = max(change, float(np.abs(new - old).max()))
        largest = max(largest, float(np.abs(old).max()))
    return Effect(_slowdown(sessions, parts[0]), change, largest)


class _Session(Protocol):
    def run(self, outputs: None, feeds: dict[str, NDArray[np.float32]]) -> list[Any]: ...

    def get_inputs(self) -> list[Any]: ...


def _session(network: bytes) -> _Session:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session: _Session = onnxruntime.InferenceSession(
        network, options, providers=["CPUExecutionProvider"]
    )
    return session


def _outputs(session: _Session, images: NDArray[np.float32]) -> NDArray[np.float32]:
    outputs = session.run(None, {session.get_inputs()[0].name: images})
    return np.concatenate([np.ravel(output) for output in outputs])


def _slowdown(sessions: list[_Session], images: NDArray[np.float32]) -> float:
    """The median of the ratios of neighbouring runs, so that slow spells meet both networks."""
    ratios: list[float] = []
    end = time.perf_counter() + _TIMING_S
    while not ratios or (len(ratios) < _TURNS and time.perf_counter() < end):
        marks = [time.perf_counter()]
        for session in sessions:
            _outputs(session, images)
            marks.append(time.perf_counter())
        ratios.append((marks[1] - marks[0]) / (marks[2] - marks[1]))
    return median(ratios)
