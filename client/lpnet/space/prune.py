"""Removing channels from a torch model with Torch-Pruning's functions for layers."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import index as as_index
from typing import TypeVar

import torch
import torch_pruning as tp
from torch import nn

from lpnet.errors import SpaceError, WidthsError
from lpnet.space.axis import Axis, Width
from lpnet.space.graph import Node
from lpnet.space.template import Template

_Layer = TypeVar("_Layer", bound=nn.Module)
_Norm = nn.modules.batchnorm._BatchNorm


def prune(template: Template, model: nn.Module, kept: Mapping[str, Sequence[int]]) -> nn.Module:
    indices = _kept_indices(template.widths, kept)
    pruned = copy.deepcopy(model)
    for index, node in enumerate(template.graph.nodes):
        c_in, c_out = template.axis_in(index), template.axes[index]
        if node.type == "conv2d":
            _prune_conv(node, pruned, (c_in, c_out), indices, template.depthwise(index))
        elif node.type == "linear":
            _prune_linear(node, pruned, (c_in, c_out), indices)
        for norm in [node.module] if node.type == "batch_norm" else node.norms:
            layer = _layer(pruned, norm, _Norm)
            _check_channels(norm, (layer.num_features,), (c_out.dense,))
            with _same_grad(layer):
                tp.prune_batchnorm_out_channels(layer, idxs=_removed(c_out, indices))
    return pruned


def _kept_indices(
    widths: tuple[Width, ...], kept: Mapping[str, Sequence[int]]
) -> dict[str, list[int]]:
    by_name = {width.name: width for width in widths}
    for name in kept:
        if name not in by_name:
            raise WidthsError(f"this space has no width {name}")
    return {
        name: sorted(_indices(width, kept[name])) if name in kept else list(range(width.max))
        for name, width in by_name.items()
    }


def _indices(width: Width, kept: Sequence[int]) -> list[int]:
    try:
        indices = [as_index(i) for i in kept]
    except TypeError as error:
        raise WidthsError(f"{width.name}: kept channels must be integers") from error
    wrong = [i for i in indices if not 0 <= i < width.max]
    if wrong:
        raise WidthsError(f"{width.name}: channel {wrong[0]} is outside 0 to {width.max - 1}")
    if len(set(indices)) < len(indices):
        raise WidthsError(f"{width.name}: a channel is listed twice")
    if not indices:
        raise WidthsError(f"{width.name}: no channel is kept")
    if len(indices) % width.granule:
        raise WidthsError(
            f"{width.name}: {len(indices)} channels are not a multiple of {width.granule}"
        )
    return indices


Kept = Mapping[str, Sequence[int]]


def _prune_conv(
    node: Node, model: nn.Module, axes: tuple[Axis, Axis], kept: Kept, depthwise: bool
) -> None:
    conv = _layer(model, node.module, nn.Conv2d)
    c_in, c_out = axes
    _check_channels(node.module, (conv.in_channels, conv.out_channels), (c_in.dense, c_out.dense))
    with _same_grad(conv):
        if depthwise:
            tp.prune_depthwise_conv_out_channels(conv, idxs=_removed(c_out, kept))
            # Torch-Pruning assumes an output channel per input channel.
            conv.in_channels = conv.groups = len(c_in.kept(kept))
        elif conv.groups > 1:
            _prune_grouped(node, conv, c_in.kept(kept), c_out.kept(kept))
        else:
            tp.prune_conv_out_channels(conv, idxs=_removed(c_out, kept))
            tp.prune_conv_in_channels(conv, idxs=_removed(c_in, kept))


def _prune_grouped(node: Node, conv: nn.Conv2d, c_in: list[int], c_out: list[int]) -> None:
    # Prune each group on its own; Torch-Pruning would use the first group's input channels.
    share_in, share_out = conv.in_channels // conv.groups, conv.out_channels // conv.groups
    reads = [[c % share_in for c in c_in if c // share_in == g] for g in range(conv.groups)]
    gives = [[c for c in c_out if c // share_out == g] for g in range(conv.groups)]
    for channels in (reads, gives):
        if len({len(group) for group in channels}) > 1:
            raise WidthsError(
                f"{node.name}: its {conv.groups} groups must keep equal numbers of channels, got "
                f"{[len(group) for group in channels]}"
            )
    rows = [conv.weight[give][:, read] for give, read in zip(gives, reads, strict=True)]
    conv.weight = nn.Parameter(torch.cat(rows).detach().clone())
    if conv.bias is not None:
        conv.bias = nn.Parameter(conv.bias[c_out].detach().clone())
    conv.in_channels, conv.out_channels = len(c_in), len(c_out)


def _prune_linear(node: Node, model: nn.Module, axes: tuple[Axis, Axis], kept: Kept) -> None:
    linear = _layer(model, node.module, nn.Linear)
    c_in, c_out = axes
    _check_channels(
        node.module, (linear.in_features, linear.out_features), (c_in.dense, c_out.dense)
    )
    with _same_grad(linear):
        tp.prune_linear_out_channels(linear, idxs=_removed(c_out, kept))
        tp.prune_linear_in_channels(linear, idxs=_removed(c_in, kept))


def _removed(axis: Axis, kept: Kept) -> list[int]:
    return sorted(set(range(axis.dense)).difference(axis.kept(kept)))


def _layer(model: nn.Module, path: str, kind: type[_Layer]) -> _Layer:
    try:
        layer = model.get_submodule(path)
    except AttributeError as error:
        raise SpaceError(f"the model has no module {path!r}") from error
    if not isinstance(layer, kind):
        raise SpaceError(f"{path} is a {type(layer).__name__}, not a {kind.__name__}")
    return layer


def _check_channels(path: str, channels: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if channels != expected:
        raise SpaceError(f"{path} has {channels} channels, but the space has {expected}")


@contextmanager
def _same_grad(layer: nn.Module) -> Iterator[None]:
    # Pruning replaces parameters, and with them their requires_grad.
    before = {name: p.requires_grad for name, p in layer.named_parameters(recurse=False)}
    yield
    for name, parameter in layer.named_parameters(recurse=False):
        parameter.requires_grad_(before[name])
