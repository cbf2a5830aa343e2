"""Channel features, smooth in the widths.

Latency steps at multiples of 4, 8, 16, 32 and 64 channels, so the features say how far each
channel count is from them. They are exact at whole channels and continuously differentiable in
between:

    above(c, q) = smoothstep(min(c mod q, 1))            0 at a multiple, 1 from one channel above
    padded(c, q) = q (floor(c / q) + above(c, q))        what c is rounded up to
    bump(c, q)                                           1 at a multiple, 0 one channel away

`raw` computes a few simple parts. The features are a fixed linear mix of these (`mix`), which a
bound ensemble folds into its first layer.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

STEPS = (4.0, 8.0, 16.0, 32.0, 64.0)
# A neighbour that does not exist counts as two channels: a multiple of no step.
ABSENT = 2.0
# Only the bumps at the first steps of a neighbour's channels are features.
NEIGHBOUR_STEPS = 3
# Features in order: name, which channel count (as stacked), which step. The last five are the
# logs of c_in, c_out, c_in per group, FLOPs and bytes.
_MIXED = (
    *(("bump", channel, step) for channel in (0, 1) for step in range(len(STEPS))),
    *(("padding", channel, step) for channel in (0, 1) for step in range(len(STEPS))),
    *(("bump", channel, step) for channel in (2, 3) for step in range(NEIGHBOUR_STEPS)),
    *(("log", 0, 0), ("log", 1, 0), ("log per group", 0, 0), ("log", 5, 0), ("log", 6, 0)),
)
DYNAMIC = len(_MIXED)
_COUNTED = 4 * len(STEPS)
RAW = 2 * _COUNTED + 7


def raw(cost: Tensor, channels: Tensor, steps: Tensor) -> Tensor:
    """The parts of the features, from the channels of U kernels: (..., 5, U) to (..., RAW, U).

    `channels` are c_in, c_out, producers' c_in, consumers' c_out and groups. The parts are, for
    each step and each of the first four: the distance to a multiple of the step (0 at a multiple,
    1 from one channel away), and the log of the count rounded up, in steps. Then the logs of all
    five, and those of FLOPs and bytes. `cost` (5, U) is that of `KernelTensors`, `steps` comes
    from `steps_like`.

    Differentiable once. Value and slopes are computed without autograd, which sees one linear map:
    it would take three times as long to go through all these small operations.
    """
    fixed = channels.detach()
    value, slopes = _raw(cost, fixed, steps, torch.is_grad_enabled())
    if slopes is None:
        return value
    change = channels - fixed
    stepped = (slopes.stepped * change[..., None, None, :4, :]).flatten(-4, -2)
    logs = change / fixed
    totals = (slopes.totals * logs.unsqueeze(-3)).sum(-2)
    return value + torch.cat((stepped, logs, totals), -2)


def steps_like(tensor: Tensor) -> Tensor:
    """STEPS (5, 1, 1), with the type and device of a tensor."""
    return torch.tensor(STEPS, dtype=tensor.dtype, device=tensor.device)[:, None, None]


def mix() -> tuple[Tensor, Tensor]:
    """The channel features as a fixed mix of the raw ones: (DYNAMIC, RAW) and (DYNAMIC,).

    A padding is the log of the rounded-up count over the count itself.
    """
    weights, shift = torch.zeros(DYNAMIC, RAW).double(), torch.zeros(DYNAMIC).double()
    log = 2 * _COUNTED
    for row, (feature, channel, step) in enumerate(_MIXED):
        column = step * 4 + channel
        if feature == "bump":
            weights[row, column], shift[row] = -1.0, 1.0
        elif feature == "padding":
            weights[row, _COUNTED + column], weights[row, log + channel] = 1.0, -1.0
            shift[row] = math.log(STEPS[step])
        else:
            weights[row, log + channel] = 1.0
        if feature == "log per group":
            weights[row, log + 4] = -1.0
    return weights, shift


def rarely_relevant() -> list[bool]:
    """Which channel features (DYNAMIC,) rarely matter: those of neighbours and of wide steps."""
    return [
        "log" not in feature and (channel >= 2 or step >= NEIGHBOUR_STEPS)
        for feature, channel, step in _MIXED
    ]


class RawSlopes(NamedTuple):
    """Derivatives of `raw`: of the steps' parts by channels (..., 2, steps, 4, U), of the logs of
    FLOPs and bytes by the logs of channels (..., 2, 5, U)."""

    stepped: Tensor
    totals: Tensor

    def by_channels(self, slope: Tensor, channels: Tensor) -> Tensor:
        """From slopes (..., RAW, U) by the parts of `raw` to those (..., 5, U) by the channels."""
        stepped, logs, totals = torch.split(slope, [2 * _COUNTED, 5, 2], -2)
        by_channel: Tensor = (logs + (self.totals * totals.unsqueeze(-2)).sum(-3)) / channels
        by_step = self.stepped * stepped.reshape(self.stepped.shape)
        by_channel[..., :4, :] += by_step.sum((-4, -3))
        return by_channel


def raw_with_slopes(cost: Tensor, channels: Tensor, steps: Tensor) -> tuple[Tensor, RawSlopes]:
    """`raw` without a gradient, and its derivatives."""
    value, slopes = _raw(cost, channels, steps, with_slopes=True)
    assert slopes is not None
    return value, slopes


def _raw(
    cost: Tensor, channels: Tensor, steps: Tensor, with_slopes: bool
) -> tuple[Tensor, RawSlopes | None]:
    scaled = channels[..., None, :4, :] / steps
    whole = torch.floor(scaled)
    remainder = (scaled - whole) * steps
    # How far above the last multiple, and how close to the next one.
    x = torch.stack((remainder, remainder - (steps - 1.0)), -4).clamp(0.0, 1.0)
    risen = x * x * (3.0 - 2.0 * x)
    above = risen.select(-4, 0)
    rounded = whole + above
    logs = torch.log(channels)
    weights = channels[..., 0, :] * channels[..., 1, :] / channels[..., 4, :]
    parts = torch.cat((channels[..., :2, :], weights.unsqueeze(-2)), -2) * cost[2:]
    moved = parts.sum(-2)
    flops = cost[0] * (logs[..., 0, :] - logs[..., 4, :]) + logs[..., 1, :] + cost[1]
    value = torch.cat(
        (
            (above - risen.select(-4, 1)).flatten(-3, -2),
            torch.log(rounded).flatten(-3, -2),
            logs,
            flops.unsqueeze(-2),
            torch.log(moved).unsqueeze(-2),
        ),
        -2,
    )
    if not with_slopes:
        return value, None
    slope = 6.0 * x * (1.0 - x)
    rising = slope.select(-4, 0)
    stepped = torch.stack((rising - slope.select(-4, 1), rising / rounded), -4)
    return value, RawSlopes(stepped, _totals(cost[0], parts / moved.unsqueeze(-2)))


def _totals(weighted: Tensor, share: Tensor) -> Tensor:
    """Slopes (..., 2, 5, U) of log FLOPs and log bytes; `share` is (..., 3, U), of the bytes."""
    read, written, weights = share.unbind(-2)
    work = weighted.expand_as(weights)
    zero, unit = torch.zeros_like(weights), torch.ones_like(weights)
    rows = (work, unit, zero, zero, -work, read + weights, written + weights, zero, zero, -weights)
    return torch.stack(rows, -2).reshape(*weights.shape[:-1], 2, 5, weights.shape[-1])
