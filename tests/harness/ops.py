"""Hypothesis strategies for ops of every type, and for workloads of them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from lpnet.schemas import ops as wire
from lpnet.schemas.workload import OpsWorkload

channels = st.integers(1, 4096)
sides = st.integers(1, 512)
names = st.sampled_from(["transpose", "mean", "LSTM", "unknown"])


def _same(op: type[Any], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An op that keeps its channels."""

    def of(count: int) -> st.SearchStrategy[Any]:
        return _other(op, **({"c_in": st.just(count), "c_out": st.just(count)} | fields))

    return channels.flatmap(of)


def _other(op: type[Any], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    fields = {"c_in": channels, "c_out": channels, "h": sides, "w": sides} | fields
    return st.builds(op, **fields)


def _grouped(op: type[Any], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    def of(groups: int) -> st.SearchStrategy[Any]:
        multiples = st.integers(1, 64).map(lambda factor: factor * groups)
        own = {"c_in": multiples, "c_out": multiples, "groups": st.just(groups)}
        return _other(op, **(own | fields))

    return st.integers(1, 16).flatmap(of)


_resized: dict[str, st.SearchStrategy[Any]] = {"h_out": sides, "w_out": sides, "function": names}
_window: dict[str, st.SearchStrategy[Any]] = {
    "h": st.integers(7, 512),
    "w": st.integers(7, 512),
    "kernel": st.sampled_from([(1, 1), (3, 3), (7, 5)]),
    "stride": st.sampled_from([(1, 1), (2, 2), (2, 1)]),
    "padding": st.sampled_from([None, (0, 0), (1, 1)]),
}
# A transposed conv of one pixel would have no output with padding.
_transposed = _window | {"kernel": st.sampled_from([(3, 3), (4, 2)])}

BY_TYPE: dict[type[Any], st.SearchStrategy[Any]] = {
    wire.Conv2d: _grouped(wire.Conv2d, **_window),
    wire.ConvTranspose2d: _grouped(wire.ConvTranspose2d, **_transposed),
    wire.Linear: _grouped(wire.Linear),
    wire.MatMul: _grouped(wire.MatMul, w=st.just(1)),
    wire.BatchNorm: _same(wire.BatchNorm),
    wire.Norm: _same(wire.Norm, function=st.sampled_from(["layer", "group", "instance", "rms"])),
    wire.Softmax: _same(wire.Softmax),
    wire.Activation: _same(
        wire.Activation, function=st.sampled_from(["relu", "silu", "erf", "unknown"])
    ),
    wire.Add: _same(wire.Add),
    wire.Mul: _same(wire.Mul),
    wire.Concat: _other(wire.Concat),
    wire.Split: _other(wire.Split),
    wire.Pool: _same(wire.Pool, mode=st.sampled_from(["max", "avg"]), **_window),
    wire.Resize: _same(wire.Resize, scale=st.sampled_from([None, (1.0, 1.0), (2.0, 3.0)])),
    wire.Flatten: st.tuples(st.integers(1, 64), st.integers(1, 16), st.integers(1, 16)).map(
        lambda s: wire.Flatten(c_in=s[0], c_out=s[0] * s[1] * s[2], h=s[1], w=s[2])
    ),
    wire.Move: _other(wire.Move, **_resized),
    wire.Reduce: _other(wire.Reduce, **_resized),
    wire.Opaque: _other(wire.Opaque, **_resized),
}
ops: st.SearchStrategy[wire.Op] = st.one_of(*BY_TYPE.values())


def _may_broadcast(source: wire.Op, op: wire.Op) -> bool:
    return wire.output_size(source) != (op.h, op.w) or op.c_in % source.c_out == 0


@st.composite
def op_lists(draw: st.DrawFn, max_size: int = 6) -> list[wire.Op]:
    """Ops whose inputs are earlier ops or inputs of the workload, where they say so."""
    drawn: list[wire.Op] = []
    for op in draw(st.lists(ops, min_size=1, max_size=max_size)):
        sources = [
            i
            for i in range(-2, len(drawn))
            if i < 0 or op.type not in ("add", "mul") or _may_broadcast(drawn[i], op)
        ]
        inputs = draw(st.none() | st.lists(st.sampled_from(sources), min_size=1, max_size=3))
        drawn.append(op if inputs is None else op.model_copy(update={"inputs": tuple(inputs)}))
    return drawn


ops_workloads = st.builds(OpsWorkload, ops=op_lists().map(tuple), batch=st.integers(1, 64))
