"""The predictor interface of pruning. `Predictor` and `WorstOf` implement it; others may."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor

from lpnet.search.memory import Fit
from lpnet.space.space import Space


class PruningPredictor(Protocol):
    """What a pruning method needs: the latency of widths, and the widths of a latency.

    Widths are a float tensor (B, L) or (L,) in the order of `widths`, between `low` and `high`
    (L,), or an object {name: number}. Latency is in ms on `target`, of one inference at `batch`.
    """

    space: Space
    target: str
    batch: int
    widths: tuple[str, ...]
    low: Tensor
    high: Tensor

    def __call__(self, widths: Tensor | Mapping[str, int], /) -> Tensor:
        """Milliseconds (B,) or a scalar, differentiable in a tensor of widths."""

    def envelope(self, widths: Tensor, /) -> Tensor:
        """Milliseconds after rounding up to fast widths; they never fall in any width.

        Differentiable; this is what a loss uses.
        """

    def interval(
        self, widths: Tensor | Mapping[str, int], coverage: float, /
    ) -> tuple[Tensor, Tensor]:
        """Low and high in ms; the share `coverage` of measurements lies in between.

        Raises LpnetError if the model has no intervals.
        """

    def snap(self, widths: Tensor, budget_ms: float | None = None, /) -> Tensor:
        """The nearest fast widths (L,) int64, within the budget. Raises BudgetTooSmall."""

    def fill(self, widths: Tensor, budget_ms: float, /) -> Tensor:
        """Legal widths (L,), raised for as long as the budget allows: int64."""

    def widest(self, budget_ms: float, /, *, keep: float = 0.0, thorough: bool = True) -> Tensor:
        """Widths (L,) int64 of high capacity within the budget, none below the share `keep` of its
        max.

        Raises BudgetTooSmall, with the lowest latency of such widths. With `thorough=False` it is
        faster.
        """


class JobPredictor(PruningPredictor, Protocol):
    """A predictor that can also identify jobs and check whether networks fit in memory."""

    @property
    def fingerprint(self) -> str:
        """Identifies everything that the predictions come from, except the space."""

    def check(self, widths: Mapping[str, int], /) -> None:
        """Raises WidthsError or DoesNotFit unless a network of these widths may fit."""

    def memory(self, widths: Mapping[str, int], /) -> Fit:
        """Whether widths fit in the target's memory, and what they need."""
