"""The filters that give the channels of a width, side by side, and how large they are."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lpnet.pruning.channels.members import Member
from lpnet.space.axis import Width


def filters(width: Width, members: Sequence[Member], model: nn.Module) -> list[Tensor]:
    """Per member, the flattened filters (max / granule, values), differentiable.

    A width with a granule of G belongs to a grouped conv: channels at the same place of each of
    its G groups stay or go together, and share a row.
    """
    found = []
    for member in members:
        rows = member.filters(model)
        apart = rows.reshape(width.granule, -1, rows.shape[1])
        found.append(apart.transpose(0, 1).flatten(1))
    return found


def magnitude(width: Width, members: Sequence[Member], model: nn.Module) -> Tensor:
    """Root mean square of the filters (max / granule,), each member's as a share of its mean."""
    parts = []
    for rows in filters(width, members, model):
        size = rows.detach().square().mean(1).sqrt()
        parts.append(size / size.mean().clamp(min=torch.finfo(size.dtype).tiny))
    return torch.stack(parts).mean(0)


def largest(width: Width, scores: Tensor, count: int) -> Tensor:
    """Gates (max / granule,), 1 or 0, that keep `count` channels: those of the highest scores."""
    kept = torch.zeros_like(scores)
    kept[scores.argsort(descending=True, stable=True)[: count // width.granule]] = 1.0
    return kept


def per_channel(width: Width, gates: Tensor) -> Tensor:
    """Gates (max / granule,) as a factor per channel (max,)."""
    return gates.repeat(width.granule)
