"""W-Gates: weight-dependent gates, trained together with the network that they prune.

After Li et al., Weight-dependent Gates for Differentiable Neural Network Pruning (arXiv
2007.02066). docs/start/pruning.md says where this departs from the paper, and why.
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

# Snapping to an upper end asks again, with less to spend, so often.
_TRIES = 8
_SLACK = 1e-4
_HALVINGS = 20


class WGates(PruningMethod):
    """Gates on every width of a space, and the price of what they leave open.

        gates = WGates(model, space, predictor, budget_ms=4.0)
        optimiser = Adam([{"params": model.parameters()}, {"params": gates.parameters()}])
        loss = task_loss(model(pictures), labels) + gates.latency_loss()
        ...
        small = gates.finish()

    `model` is the one the space was made from, or one of the same structure; it is gated by hooks
    until `remove`. Of `budget_ms` and `alpha` one is given: a budget that is steered to, or the
    paper's fixed strength. `upper`, say 0.95, asks that the upper end of the prediction's
    one-sided interval of that coverage meets the budget, not the prediction itself. `form`: see
    FixedPressure; `ramp`: see BudgetPressure.

    Raises SpaceError where a closed channel would not be zero for its consumers, LpnetError for
    arguments that contradict each other, and BudgetTooSmall, before any training, if no widths
    meet the budget.
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
            raise LpnetError("one of budget_ms and alpha has to be given, and not both")
        if upper is not None and (budget_ms is None or not 0.5 < upper < 1):
            raise LpnetError(f"upper={upper} is a share between 0.5 and 1, and needs a budget_ms")
        require_same_space(predictor, space)
        self.space, self.budget_ms, self.upper = space, budget_ms, upper
        # In a tuple: its parameters are not ours.
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
        """Open channels of every width now, as the next forward pass will have them."""
        return self.space.named(self.gating.widths().round().long())

    def latency_ms(self) -> float:
        """What the predictor says of these widths, ms, after rounding them up to fast ones."""
        with torch.no_grad():
            return float(self.predictor.envelope(self._seen(self.gating.widths())))

    def latency_loss(self) -> Tensor:
        """The term to add to the task's loss: a scalar, differentiable in gate layers and filters.

        To be called once for each step of the optimiser: a budget's pressure moves with it.
        """
        widths = self._seen(self.gating.soft_widths())
        latency = self.predictor.envelope(widths) * self._safety(widths.detach())
        term: Tensor = self.pressure(latency)
        return term.to(latency.dtype)

    def choose(self, budget_ms: float | None = None) -> dict[str, int]:
        """Snap the widths to fast ones near by, up as well as down, and fix the gates there: of
        each width the channels with the highest scores. Under a budget they are within it,
        widened together first where training left some of it unspent, and filled up to it where
        snapping did. Returns the widths.

        Asked again, it starts again from where training ended.
        """
        self.gating.release()
        budget_ms = self.budget_ms if budget_ms is None else budget_ms
        with torch.no_grad():
            widths = self.space.named(self._snapped(self._seen(self.gating.widths()), budget_ms))
        self.gating.hold(widths)
        return widths

    def finish(self) -> nn.Module:
        """A plain model with the closed channels physically removed: those of `choose`, which is
        called where it was not.

        In evaluation mode its outputs are those of the model with its gates, and its channel
        counts are those that the predictor was asked about. The gates stay on the model, fixed,
        until `remove`. What snapping opened or closed moves activations: `recalibrate` the
        statistics of its BatchNorms afterwards.
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
        """Take the gates off the model: it is as it was, with the weights it has now."""
        self.gating.remove()

    def _snapped(self, widths: Tensor, asked_ms: float | None) -> Tensor:
        """Fast widths (L,) near widths (L,), that spend the budget in the sense that was asked."""
        if asked_ms is None:
            return self.predictor.snap(widths)
        budget = asked_ms
        try:
            for _ in range(_TRIES):
                near = self.predictor.snap(widened(self.predictor, widths, budget), budget)
                found = self.predictor.fill(near, budget)
                ms = float(self.predictor(found.double()))
                upper_ms = ms * float(self._safety(found.double()))
                if upper_ms <= asked_ms * (1 + _SLACK):
                    return found
                # The interval is wider at some widths than at others.
                budget = min(budget, asked_ms * ms / upper_ms) * (1 - _SLACK)
        except BudgetTooSmall as error:
            detail = "" if self.upper is None else f"and its interval of {self.upper} ends above"
            raise BudgetTooSmall(asked_ms, error.floor_ms, detail) from None
        raise LpnetError(
            f"no widths were found whose upper end of {self.upper} is within {asked_ms:.4g} ms"
        )

    def _seen(self, widths: Tensor) -> Tensor:
        """Widths where the predictor is."""
        return widths.to(self.predictor.low.device)

    def _safety(self, widths: Tensor) -> Tensor | float:
        """How far the asked upper end is above the prediction, as a factor."""
        if self.upper is None:
            return 1.0
        with torch.no_grad():
            _, high = self.predictor.interval(widths, 2 * self.upper - 1)
            factor: Tensor = high / self.predictor(widths)
            return factor


def widened(predictor: PruningPredictor, widths: Tensor, budget_ms: float) -> Tensor:
    """Widths (L,) times the factor, at least 1, at which their envelope takes the budget; none
    above its max."""
    high = predictor.high.to(widths)

    def times(factor: float) -> Tensor:
        return torch.minimum(factor * widths, high)

    low, top = 1.0, float((high / widths).max())
    for _ in range(_HALVINGS):
        middle = (low * top) ** 0.5
        if float(predictor.envelope(times(middle))) <= budget_ms:
            low = middle
        else:
            top = middle
    return times(low)
