"""Whether a budget can be met at all, checked before any training."""

from __future__ import annotations

import torch

from lpnet.errors import BudgetTooSmall, LpnetError
from lpnet.pruning.predictor import PruningPredictor
from lpnet.space.space import Space

_MAX_NAMED = 5


def require_same_space(predictor: PruningPredictor, space: Space) -> None:
    """Raises LpnetError for a predictor of another space or batch size, or without widths."""
    if not space.widths:
        raise LpnetError(f"space {space.name!r} has no widths: all of its channels are frozen")
    if predictor.space.hash != space.hash:
        raise LpnetError("the predictor is for another space than the one that is pruned")
    if predictor.batch != space.batch:
        raise LpnetError(
            f"the predictor is for batch size {predictor.batch}, the space for {space.batch}"
        )


def require_reachable(predictor: PruningPredictor, budget_ms: float, *, keep: float = 0.0) -> None:
    """Raise unless the space can meet a budget with at least the share `keep` of every width.

    BudgetTooSmall names the lowest latency and the widths that hold it up. NothingFits means that
    no such widths fit in the target's memory.
    """
    try:
        predictor.widest(budget_ms, keep=keep, thorough=False)
    except BudgetTooSmall as error:
        floor = predictor.widest(error.floor_ms, keep=keep, thorough=False).tolist()
        dense = predictor.high.tolist()
        shares = [
            (kept / top, f"{name} {kept} of {top:.0f}")
            for name, kept, top in zip(predictor.widths, floor, dense, strict=True)
        ]
        shares.sort(key=lambda pair: pair[0], reverse=True)
        limiting = ", ".join(text for _, text in shares[:_MAX_NAMED])
        with torch.no_grad():
            percent = 100 * error.floor_ms / float(predictor(predictor.high))
        raise BudgetTooSmall(
            budget_ms,
            error.floor_ms,
            f"{percent:.0f}% of dense, held up by {limiting} channels",
        ) from None
