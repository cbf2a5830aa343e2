"""Subnormal weights, on which many CPUs compute several times slower."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

# Half precision is widened before it is computed with; there its subnormals are normal.
_DTYPES = (torch.float32, torch.float64, torch.bfloat16)


def subnormal_pct(model: nn.Module) -> float:
    """The share of a network's parameters and buffers that are subnormal, in percent."""
    count = total = 0
    for tensor in _tensors(model):
        count, total = count + int(_is_subnormal(tensor).sum()), total + tensor.numel()
    return 100 * count / total if total else 0.0


def zero_subnormals(model: nn.Module) -> None:
    """Set every subnormal parameter and buffer to zero, in place."""
    for tensor in _tensors(model):
        tensor.masked_fill_(_is_subnormal(tensor), 0)


def _tensors(model: nn.Module) -> Iterator[torch.Tensor]:
    for tensor in model.state_dict().values():
        if tensor.dtype in _DTYPES and tensor.numel():
            yield tensor


def _is_subnormal(tensor: torch.Tensor) -> torch.Tensor:
    return (tensor != 0) & (tensor.abs() < torch.finfo(tensor.dtype).tiny)
