"""W-Gates: weight-dependent gates, trained together with the network that they prune.

Based on Li et al., Weight-dependent Gates for Differentiable Neural Network Pruning (arXiv
2007.02066). docs/start/pruning.md lists the differences from the paper, and the reasons.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lpnet.errors import BudgetTooSmall, LpnetError
from lpnet.pruning.budget import require_reachable, require_same_space
from lpnet.pruning.channels.gating import Gating
from lpnet.pruning.methods.base import PruningMethod
from lpnet.pruning.predictor import PruningPredictor
from lpnet.pruning.pressure import BudgetPressure, FixedPressure, Form
from lpnet.space.space import Space

# Attempts to snap to an upper end, each with a smaller budget.
_ATTEMPTS = 8
_SLACK = 1e-4
_HALVINGS = 20


class WGates(PruningMethod):
    """Gates on every width of a space, and the latency of the channels that they leave open.

        gates = WGates(model, space, predictor, budget_ms=4.0)
        optimiser = Adam([{"params": model.parameters()}, {"params": gates.parameters()}])
        loss = task_loss(model(images), labels) + gates.latency_loss()
        ...
        small = gates.finish()

    `model` is the one that the space was made from, or one of the same structure; hooks gate it
    until `remove`. Pass either `budget_ms`, a budget to steer to, or `alpha`, the paper's fixed
    strength. With `upper`, say 0.95, the upper end of the prediction's one-sided interval of that
    coverage has to meet the budget, not the prediction itself. `form`: see FixedPressure; `ramp`:
    see BudgetPressure.

    Raises LpnetError for contradictory arguments and for a space without widths, and
    BudgetTooSmall, before any training, if no widths meet the budget.
    """

    def __init__(
        self,
        model: nn.Module,
        space: Space,
        predictor: PruningPredictor,
        *,
        budget_ms: float | None = None,
        alpha: float | None = None,
        upper: float | None = None,
        form: Form = "relative",
        ramp: int = 200,
    ) -> None:
        super().__init__()
        if (budget_ms is None) == (alpha is None):
            raise LpnetError("pass either budget_ms or alpha")
        if upper is not None and budget_ms is None:
            raise LpnetError("upper needs a budget_ms")
        if upper is not None and not 0.5 < upper < 1:
            raise LpnetError(f"upper must be between 0.5 and 1, got {upper}")
        require_same_space(predictor, space)
        self.space, self.budget_ms, self.upper = space, budget_ms, upper
        # In a tuple, so that its parameters are not registered here.
        self._predictor = (predictor,)
        self.pressure: nn.Module
        with torch.no_grad():
            dense_ms = float(predictor(predictor.high))
        if budget_ms is not None:
            require_reachable(predictor, budget_ms)
            self.pressure = BudgetPressure(budget_ms, max(dense_ms, budget_ms), ramp)
        else:
            assert alpha is not None
            self.pressure = FixedPressure(alpha, dense_ms, form)
        if upper is not None and budget_ms is not None:
            self._snapped(predictor.high, budget_ms)
        self.gating = Gating(model, space)

    @property
    def predictor(self) -> PruningPredictor:
        return self._predictor[0]

    def widths(self) -> dict[str, int]:
        """Open channels of every width, as the next forward pass will have them."""
        return self.space.named(self.gating.widths().round().long())

    def latency_ms(self) -> float:
        """Predicted ms of these widths after rounding them up to fast ones."""
        with torch.no_grad():
            return float(self.predictor.envelope(self._on_device(self.gating.widths())))

    def latency_loss(self) -> Tensor:
        """The term to add to the task's loss: a scalar, differentiable in gate layers and filters.

        Call it once per step of the optimiser, because each call moves the current budget.
        """
        widths = self._on_device(self.gating.soft_widths())
        latency = self.predictor.envelope(widths) * self._upper_factor(widths.detach())
        term: Tensor = self.pressure(latency)
        return term.to(latency.dtype)

    def choose(self, budget_ms: float | None = None) -> dict[str, int]:
        """Snap the widths to fast ones nearby, up or down, and fix the gates there. Returns the
        widths.

        The channels with the highest scores stay. With a budget the widths are within it. If
        training left part of it unused, all widths are scaled up before snapping. If snapping left
        part of it unused, widths are filled up afterwards. Every call starts from the end of
        training. Raises BudgetTooSmall.
        """
        self.gating.release()
        budget_ms = self.budget_ms if budget_ms is None else budget_ms
        with torch.no_grad():
            trained = self._on_device(self.gating.widths())
            widths = self.space.named(self._snapped(trained, budget_ms))
        self.gating.hold(widths)
        return widths

    def finish(self) -> nn.Module:
        """A plain model with the closed channels physically removed. Calls `choose` first if
        nothing has.

        In evaluation mode its outputs are those of the gated model, and its channel counts are
        those of the prediction. The gates stay on the model, fixed, until `remove`. Snapping opens
        and closes channels, which shifts activations: call `recalibrate` on the BatchNorms
        afterwards.
        """
        if not self.gating.held:
            self.choose()
        kept, attached = self.gating.kept(), self.gating.attached
        self.gating.remove()
        try:
            return self.space.prune(self.gating.model, kept)
        finally:
            if attached:
                self.gating.attach()

    def remove(self) -> None:
        self.gating.remove()

    def _snapped(self, widths: Tensor, budget_ms: float | None) -> Tensor:
        """Fast widths (L,) near widths (L,). Their latency, or its upper end, meets the budget."""
        if budget_ms is None:
            return self.predictor.snap(widths)
        budget = budget_ms
        try:
            for _ in range(_ATTEMPTS):
                near = self.predictor.snap(widened(self.predictor, widths, budget), budget)
                filled = self.predictor.fill(near, budget)
                ms = float(self.predictor(filled.double()))
                upper_ms = ms * float(self._upper_factor(filled.double()))
                if upper_ms <= budget_ms * (1 + _SLACK):
                    return filled
                # The interval is wider at some widths than at others.
                budget = min(budget, budget_ms * ms / upper_ms) * (1 - _SLACK)
        except BudgetTooSmall as error:
            detail = "" if self.upper is None else f"its upper end at {self.upper} is higher"
            raise BudgetTooSmall(budget_ms, error.floor_ms, detail) from None
        raise LpnetError(
            f"found no widths whose upper end at {self.upper} is within {budget_ms:.4g} ms; use a "
            "larger budget or a smaller upper"
        )

    def _on_device(self, widths: Tensor) -> Tensor:
        return widths.to(self.predictor.low.device)

    def _upper_factor(self, widths: Tensor) -> Tensor | float:
        """The upper end over the prediction, or 1 without `upper`."""
        if self.upper is None:
            return 1.0
        with torch.no_grad():
            _, high = self.predictor.interval(widths, 2 * self.upper - 1)
            factor: Tensor = high / self.predictor(widths)
            return factor


def widened(predictor: PruningPredictor, widths: Tensor, budget_ms: float) -> Tensor:
    """Widths (L,) times the largest factor, at least 1, whose envelope is within the budget. No
    width exceeds its max."""
    high = predictor.high.to(widths)

    def scaled(factor: float) -> Tensor:
        return torch.minimum(factor * widths, high)

    low, top = 1.0, float((high / widths).max())
    for _ in range(_HALVINGS):
        middle = (low * top) ** 0.5
        if float(predictor.envelope(scaled(middle))) <= budget_ms:
            low = middle
        else:
            top = middle
    return scaled(low)
