"""Matern 3/2 correlations of kernels with inducing kernels, and their weighted sum.

    r = (1 + d) exp(-d)        d = sqrt(3) times the distance

Arrays that lie along the inducing kernels are M by N, so everything that can be is done on chunks
which fit the cache, and the gradient is computed beside the value instead of by autograd.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Inducing kernels times kernels that are computed at once.
_CHUNK = 1 << 17
# Two inducing kernels this close count as one.
_JITTER = 1e-6


def correlations(at: Tensor, base: Tensor, points: Tensor) -> Tensor:
    """Of kernels at (..., D, N) with points (M, D): (..., M, N).

    `base` (M, N) are the squared lengths of the points, plus the squared distances along features
    that are not in `at`.
    """
    distance = _distances(at, base, points)
    return (1.0 + distance) * torch.exp(-distance)


def pull(at: Tensor, base: Tensor, points: Tensor, weights: Tensor) -> Tensor:
    """`weights @ correlations` (..., N), differentiable in `at` once."""
    fixed = at.detach()
    value, slope = _pull(fixed, base, points, weights, torch.is_grad_enabled())
    return value if slope is None else value + (slope * (at - fixed)).sum(-2)


def inverse_root(points: Tensor, types: Tensor) -> Tensor:
    """W (M, M) with W^T W the inverse of the correlations among the points (float64).

    Points of different types (M,) are not correlated.
    """
    distance = torch.cdist(points, points) * 3.0**0.5
    correlation = (1.0 + distance) * torch.exp(-distance) * (types[:, None] == types)
    identity = torch.eye(len(points), dtype=points.dtype, device=points.device)
    lower = torch.linalg.cholesky(correlation + _JITTER * identity)
    root: Tensor = torch.linalg.solve_triangular(lower, identity, upper=False)
    return root


def _pull(
    at: Tensor, base: Tensor, points: Tensor, weights: Tensor, with_slope: bool
) -> tuple[Tensor, Tensor | None]:
    """Value (..., N), and its slope (..., D, N) by `at`."""
    shape, count = at.shape, max(1, _CHUNK // max(1, len(points)))
    flat = at.reshape(math.prod(shape[:-2]), *shape[-2:])
    rows = max(1, count // max(1, shape[-1]))
    values, slopes = [], []
    for part in torch.split(flat, rows):
        pieces = zip(torch.split(part, count, -1), torch.split(base, count, -1), strict=True)
        own = [_pull_at_once(*piece, points, weights, with_slope) for piece in pieces]
        values.append(torch.cat([value for value, _ in own], -1))
        slopes.append(torch.cat([slope for _, slope in own], -1))
    value = torch.cat(values).reshape(*shape[:-2], shape[-1])
    return value, torch.cat(slopes).reshape(shape) if with_slope else None


def _pull_at_once(
    at: Tensor, base: Tensor, points: Tensor, weights: Tensor, with_slope: bool
) -> tuple[Tensor, Tensor]:
    distance = _distances(at, base, points)
    decay = torch.exp(-distance)
    value = weights @ distance.mul_(decay).add_(decay)
    if not with_slope:
        return value, at
    weighted = decay.mul_(weights[:, None])
    slope = points.T @ weighted - at * weighted.sum(-2, keepdim=True)
    return value, slope.mul_(3.0)


def _distances(at: Tensor, base: Tensor, points: Tensor) -> Tensor:
    # In place: the arrays are large, and none of them takes part in autograd.
    squared = (points @ at).mul_(-2.0).add_(base).add_(at.square().sum(-2, keepdim=True))
    return squared.clamp_(min=0.0).mul_(3.0).sqrt_()
