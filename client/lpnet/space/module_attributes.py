"""Attributes of modules that count channels, after their parameters were cut."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


def update_attributes(before: nn.Module, after: nn.Module) -> None:
    """Set the counts of each module from its parameters. `after` is the cut copy of `before`."""
    for old, new in zip(before.modules(), after.modules(), strict=True):
        for kind, update in _UPDATES:
            if isinstance(new, kind):
                update(old, new)


def _conv(old: Any, new: Any) -> None:
    weight, groups = _shape(new, "weight"), new.groups
    transposed = getattr(new, "transposed", False)
    depthwise = not transposed and groups > 1 and groups == old.in_channels
    if transposed:
        new.in_channels, new.out_channels = weight[0], weight[1] * groups
        if groups > 1 and groups == old.in_channels:
            new.groups = weight[0]
            new.out_channels = weight[0] * weight[1]
        return
    if depthwise:
        # Output channels per input channel are a constant number.
        groups = weight[0] * old.groups // old.out_channels
        new.groups = groups
    new.out_channels, new.in_channels = weight[0], weight[1] * groups


def _linear(old: Any, new: Any) -> None:
    new.out_features, new.in_features = _shape(new, "weight")


def _norm(old: Any, new: Any) -> None:
    for name in ("weight", "running_mean", "running_var"):
        tensor = getattr(new, name, None)
        if isinstance(tensor, Tensor):
            new.num_features = len(tensor)


def _group_norm(old: Any, new: Any) -> None:
    if isinstance(new.weight, Tensor):
        size = old.num_channels // old.num_groups
        new.num_channels = len(new.weight)
        new.num_groups = new.num_channels // size


def _layer_norm(old: Any, new: Any) -> None:
    if isinstance(new.weight, Tensor):
        new.normalized_shape = tuple(new.weight.shape)


def _prelu(old: Any, new: Any) -> None:
    new.num_parameters = len(new.weight)


def _embedding(old: Any, new: Any) -> None:
    new.num_embeddings, new.embedding_dim = _shape(new, "weight")


def _shape(module: Any, name: str) -> tuple[int, ...]:
    # A parametrised weight is computed from others.
    return tuple(getattr(module, name).shape)


_UPDATES = (
    (nn.modules.conv._ConvNd, _conv),
    (nn.Linear, _linear),
    (nn.modules.batchnorm._NormBase, _norm),
    (nn.GroupNorm, _group_norm),
    (nn.LayerNorm, _layer_norm),
    (nn.PReLU, _prelu),
    (nn.Embedding, _embedding),
)
