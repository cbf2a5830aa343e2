"""Whether a budget can be met at all: asked before any training."""

from __future__ import annotations

from lpnet.errors import LpnetError, NothingFits, NotReachable
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
    """Raises NotReachable, with the floor and the widths that hold it up, for a budget below what
    the space can reach with at least the share `keep` of every width; NothingFits, where it is
    memory and not latency that no such widths fit in."""
    try:
        predictor.widest(budget_ms, keep=keep, thorough=False)
    except NothingFits:
        raise
    except NotReachable as error:
        floor = predictor.reachable(points=2, keep=keep)
        wide = sorted(
            zip(predictor.widths, predictor.high.tolist(), strict=True),
            key=lambda pair: floor.floor_widths[pair[0]] / pair[1],
            reverse=True,
        )[:_NAMED]
        held = ", ".join(f"{name} {floor.floor_widths[name]} of {top:.0f}" for name, top in wide)
        share = 100 * error.floor_ms / floor.dense_ms
        raise NotReachable(
            budget_ms, error.floor_ms, f"{share:.0f}% of dense, held up by {held} channels"
        ) from None
