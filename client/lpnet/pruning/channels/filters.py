"""The filters that produce the channels of a width, and their magnitudes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lpnet.pruning.channels.layers import Member
from lpnet.space.axis import Width


def filters(width: Width, members: Sequence[Member], model: nn.Module) -> list[Tensor]:
    """Per member, the flattened filters (max / granule, values), differentiable.

    A width with a granule of G belongs to a grouped conv: channels at the same position in each
    of its G groups are kept or removed together, and share a row.
    """
    rows = []
    for member in members:
        weights = member.filters(model)
        by_group = weights.reshape(width.granule, -1, weights.shape[1])
        rows.append(by_group.transpose(0, 1).flatten(1))
    return rows


def magnitude(width: Width, members: Sequence[Member], model: nn.Module) -> Tensor:
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
    return gates.repeat(width.granule)
