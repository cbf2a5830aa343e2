"""Distinct numbers in every parameter, so that a pruned parameter shows which numbers it kept."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

# Powers of two below 1 that numbers are drawn from. Each has 2^24 floats of both signs.
_MIN_EXPONENTS = 4
_EXPONENT_BITS = 23
_BITS_OF_ONE = 0x3F800000


def randomise(model: nn.Module, seed: int) -> None:
    """Replace every parameter by distinct numbers of the same spread.

    What a constructor sets to zero or to a tiny scale becomes a number that matters: a residual
    branch that adds nothing would hide its errors.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.is_floating_point():
                parameter.copy_(_numbers(parameter, generator))


def _numbers(like: Tensor, generator: torch.Generator) -> Tensor:
    mean, deviation = float(like.mean()), float(like.std(correction=0))
    if deviation > 1e-3 * abs(mean):
        return distinct(like.shape, deviation, generator)
    if abs(mean) < 1e-2:
        fan_in = math.prod(like.shape[1:])
        return distinct(like.shape, 0.2 / math.sqrt(fan_in), generator)
    return mean * (1 + distinct(like.shape, 0.2, generator))


def distinct(
    shape: torch.Size | tuple[int, ...], deviation: float, generator: torch.Generator
) -> Tensor:
    """Numbers of both signs, no two of them equal, with about this standard deviation."""
    count = math.prod(shape)
    exponents = max(_MIN_EXPONENTS, -(-count >> (_EXPONENT_BITS + 1)))
    step = (exponents << (_EXPONENT_BITS + 1)) // max(count, 1)
    order = torch.randperm(count, generator=generator)
    bits = (order * step).to(torch.int32)
    sign = torch.where(bits % 2 == 0, 1.0, -1.0)
    if step % 2 == 0:
        sign = torch.randint(0, 2, (count,), generator=generator) * 2.0 - 1
    lowest = _BITS_OF_ONE - (exponents << _EXPONENT_BITS)
    numbers = (lowest + bits // 2).view(torch.float32) * sign
    # That of numbers whose logarithms are uniform.
    own_deviation = math.sqrt((1 - 4.0**-exponents) / (2 * math.log(2) * exponents))
    # A power of two keeps different numbers different.
    scale = 2.0 ** round(math.log2(max(deviation, 1e-12) / own_deviation))
    return (numbers * scale).reshape(shape)


def calibrate(model: nn.Module, call: Any) -> None:
    """Set the running statistics of each BatchNorm to those of a forward pass."""
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    modes = [(norm, norm.momentum) for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    try:
        with torch.no_grad():
            call()
    except ValueError:
        # "Expected more than 1 value per channel": a single pixel has no variance.
        for norm in norms:
            norm.reset_running_stats()
    finally:
        for norm, momentum in modes:
            norm.momentum = momentum
            norm.eval()
    for index, norm in enumerate(norms):
        _tell_apart(norm, index)


def _tell_apart(norm: _BatchNorm, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    mean, variance = norm.running_mean, norm.running_var
    spread = float(variance.mean().sqrt())
    # A channel that is constant has no variance.
    lowest = 0.1 * float(variance.mean()) + 1e-6
    base_mean, base_variance = mean.clone(), variance.clamp(min=lowest)
    while True:
        mean.copy_(base_mean + distinct(mean.shape, 0.05 * spread + 1e-6, generator))
        variance.copy_(base_variance * (1 + distinct(variance.shape, 0.05, generator)))
        if all(len(torch.unique(values)) == len(values) for values in (mean, variance)):
            return
