"""The rule of each op."""

from __future__ import annotations

from collections.abc import Callable

from lpnet.space.raw import RawNode
from lpnet.space.solver.rules import contraction, movement, normalise, pointwise
from lpnet.space.solver.state import State

Rule = Callable[[State, RawNode], None]

RULES: dict[str, Rule] = {
    **dict.fromkeys(pointwise.OPS, pointwise.broadcast),
    "Conv": contraction.conv,
    "ConvTranspose": contraction.conv_transpose,
    "Gemm": contraction.gemm,
    "MatMul": contraction.matmul,
    "Einsum": contraction.einsum,
    "Reshape": movement.reshape,
    "Flatten": movement.reshape,
    "Squeeze": movement.reshape,
    "Unsqueeze": movement.reshape,
    "Transpose": movement.transpose,
    "Concat": movement.concat,
    "Split": movement.split,
    "Slice": movement.slice_,
    "Gather": movement.gather,
    "GatherND": movement.gather_nd,
    "Expand": movement.expand,
    "Tile": movement.tile,
    "Pad": movement.pad,
    "DepthToSpace": movement.depth_to_space,
    "SpaceToDepth": movement.space_to_depth,
    "BatchNormalization": normalise.batch_norm,
    "LayerNormalization": normalise.layer_norm,
    "RMSNormalization": normalise.layer_norm,
    "InstanceNormalization": normalise.instance_norm,
    "GroupNormalization": normalise.group_norm,
    "Softmax": normalise.over_axis,
    "LogSoftmax": normalise.over_axis,
    "Hardmax": normalise.over_axis,
    "LpNormalization": normalise.over_axis,
    "CumSum": normalise.cumulative,
    **dict.fromkeys(normalise.REDUCTIONS, normalise.reduction),
    **dict.fromkeys(normalise.POOLS, normalise.pool),
    "Resize": normalise.resize,
}
