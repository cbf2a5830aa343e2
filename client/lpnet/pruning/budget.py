"""Whether a budget can be met at all: asked before any training."""

from __future__ import annotations

from lpnet.errors import BudgetTooSmall, LpnetError
from lpnet.predictor.base import AnyPredictor
from lpnet.space.space import Space

_NAMED = 5


def require_same_space(predictor: AnyPredictor, space: Space) -> None:
    """Raises LpnetError for a predictor of another space, or of another batch size."""
    if predictor.space.hash != space.hash:
        raise LpnetError("the predictor is of another space than the one given")
    if predictor.batch != space.batch:
        raise LpnetError(
            f"the predictor is of batch size {predictor.batch}, the space of {space.batch}"
        )


def require_reachable(predictor: AnyPredictor, budget_ms: float, *, keep: float = 0.0) -> None:
    """Raise unless the space can meet a budget with at least the share `keep` of every width.

    BudgetTooSmall names the lowest latency and the widths that hold it up. NothingFits means that
    no such widths fit in the target's memory.
    """
    try:
        predictor.widest(budget_ms, keep=keep, thorough=False)
    except BudgetTooSmall as error:
        floor = predictor.reachable(points=2, keep=keep)
        wide = sorted(
            zip(predictor.widths, predictor.high.tolist(), strict=True),
            key=lambda pair: floor.floor_widths[pair[0]] / pair[1],
            reverse=True,
        )[:_NAMED]
        held = ", ".join(f"{name} {floor.floor_widths[name]} of {top:.0f}" for name, top in wide)
        share = 100 * error.floor_ms / floor.dense_ms
        raise BudgetTooSmall(
            budget_ms, error.floor_ms, f"{share:.0f}% of dense, held up by {held} channels"
        ) from None
