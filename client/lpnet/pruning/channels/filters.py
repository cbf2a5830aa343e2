"""The filters that produce the channels of a width, and their magnitudes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lpnet.pruning.channels.layers import AnyMember
from lpnet.pruning.channels.units import unit_of_channels
from lpnet.space.axis import Width


def filters(width: Width, members: Sequence[AnyMember], model: nn.Module) -> list[Tensor]:
    """Per member, the flattened filters (max / granule, values), differentiable.

    Channels that are kept or removed together share a row: those of a head of attention, or those
    at the same position in each group of a grouped conv.
    """
    return [member.filters(model, width) for member in members]


def magnitude(width: Width, members: Sequence[AnyMember], model: nn.Module) -> Tensor:
    """Root mean square of the filters (max / granule,), relative to the mean of each member."""
    parts = []
    for rows in filters(width, members, model):
        size = rows.detach().square().mean(1).sqrt()
        parts.append(size / size.mean().clamp(min=torch.finfo(size.dtype).tiny))
    return torch.stack(parts).mean(0)


def largest(width: Width, scores: Tensor, count: int) -> Tensor:
    """Gates (max / granule,), 1 for the `count` channels with the highest scores, else 0."""
    kept = torch.zeros_like(scores)
    kept[scores.argsort(descending=True, stable=True)[: count // width.granule]] = 1.0
    return kept


def per_channel(width: Width, gates: Tensor) -> Tensor:
    """Gates (max / granule,) as a factor per channel (max,)."""
    if not width.layout:
        return gates.repeat(width.granule)
    return gates[torch.tensor(unit_of_channels(width), device=gates.device)]
