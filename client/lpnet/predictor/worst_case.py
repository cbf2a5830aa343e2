"""One predictor of several targets: at any widths, the one that is furthest over its budget."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import chain
from numbers import Real
from typing import Self

import torch
from torch import Tensor, nn

from lpnet.errors import LpnetError
from lpnet.predictor.searching import SearchingPredictor
from lpnet.predictor.width_checks import WidthsLike
from lpnet.search.memory import TargetMemories
from lpnet.search.prices import Pricer
from lpnet.search.width_search import FastValues, WidthSearch


def worst_of(predictors: Sequence[SearchingPredictor], budgets: Sequence[float]) -> WorstOf:
    """One predictor of several targets, for a network that suits them all.

    `budgets` are in ms, one for each predictor. The result can be used like a Predictor. Then
    `budget_ms=budgets[0]` holds every target to its own budget, and any other `budget_ms` scales
    all budgets by the same factor.

    Raises LpnetError for no predictors, a wrong number of budgets, a budget that is not a positive
    number, and predictors that differ in space, batch size or torch device.
    """
    return WorstOf(predictors, budgets)


class WorstOf(SearchingPredictor):
    """The latency of the worst of several targets, in ms of the first.

    That is the max, over all targets, of ms over budget, times the first budget. See BasePredictor
    for the forms that widths take. Predictions are exact, and so are searches: they price
    candidates on every target. A search may also step to values that are fast on a single target.
    `predictors` and `budgets` are those of the constructor.
    """

    def __init__(self, predictors: Sequence[SearchingPredictor], budgets: Sequence[float]) -> None:
        _require_budgets(predictors, budgets)
        _require_alike(predictors)
        targets = (f"{p.target} ({ms:g} ms)" for p, ms in zip(predictors, budgets, strict=True))
        first = predictors[0]
        super().__init__(first.space, f"worst of {', '.join(targets)}", first.low.device)
        self.predictors = tuple(predictors)
        self.budgets = tuple(float(ms) for ms in budgets)
        # Registered, so that they move to another device with this module.
        self._registered = nn.ModuleList(predictors)
        self._scales = [self.budgets[0] / ms for ms in self.budgets]

    @property
    def fingerprint(self) -> str:
        """SHA-256, in hexadecimal, of the predictors' fingerprints and the budgets."""
        parts = [predictor.fingerprint for predictor in self.predictors]
        return hashlib.sha256(repr((parts, self.budgets)).encode()).hexdigest()

    def at(self, batch: int) -> Self:
        """The same targets and budgets at another batch size. Raises NotCovered."""
        return type(self)([predictor.at(batch) for predictor in self.predictors], self.budgets)

    def interval(self, widths: WidthsLike, coverage: float = 0.9) -> tuple[Tensor, Tensor]:
        """The worst low end and the worst high end of all targets in ms, shaped as in forward.

        `coverage` is that of each target's own interval, which is assumed to miss as often above
        as below. So `high` holds for each target by itself: at least the share (1 + coverage) / 2
        of its measurements, scaled as in forward, is at most `high`. For all n targets together,
        only the share 1 - n (1 - coverage) / 2 is guaranteed to be at most `high`. The worst is
        guaranteed to be at least `low` as well for the share 1 - (n + 1) (1 - coverage) / 2.

        Raises ValueError for a coverage not between 0 and 1, LpnetError if an LPNet was never
        calibrated.
        """
        ends = [predictor.interval(widths, coverage) for predictor in self.predictors]
        lows, highs = zip(*ends, strict=True)
        return _worst(lows, self._scales), _worst(highs, self._scales)

    def _ms(self, widths: Tensor) -> Tensor:
        return _worst([part._ms(widths) for part in self.predictors], self._scales)

    def _envelope_ms(self, widths: Tensor) -> Tensor:
        return _worst([part._envelope_ms(widths) for part in self.predictors], self._scales)

    @cached_property
    def memories(self) -> TargetMemories:
        return TargetMemories(
            [m for predictor in self.predictors for m in predictor.memories.memories]
        )

    @cached_property
    def _pricer(self) -> Pricer:
        return _WorstPricer([predictor._pricer for predictor in self.predictors], self._scales)

    @cached_property
    def _search(self) -> WidthSearch:
        return WidthSearch(
            self.space,
            self._pricer,
            self._envelope_ms,
            self.memories,
            self.low,
            self.high,
            self._ladder_values,
        )

    def _ladder_values(self) -> FastValues:
        # One ladder per target and width: the worst target at the dense widths need not be the
        # worst within the budget. The values of all targets are not merged, because a step along
        # one target would then meet many values of the others.
        ladders = zip(*(p._search.ladder_values for p in self.predictors), strict=True)
        return [tuple(chain.from_iterable(targets)) for targets in ladders]


class _WorstPricer:
    """The worst of several pricers, exactly."""

    def __init__(self, pricers: Sequence[Pricer], scales: Sequence[float]) -> None:
        self.device = pricers[0].device
        self._pricers = pricers
        self._scales = scales

    def total(self, widths: Tensor) -> Tensor:
        return _worst([pricer.total(widths) for pricer in self._pricers], self._scales)

    def changes(self, base: Tensor, indices: Tensor, values: Tensor) -> Tensor:
        before = _scaled([pricer.total(base[None]) for pricer in self._pricers], self._scales)
        changes = [pricer.changes(base, indices, values) for pricer in self._pricers]
        # The distance below the worst comes first: the change of a single pricer stays exact.
        return (before - before.amax(0) + _scaled(changes, self._scales)).amax(0)


def _worst(ms: Iterable[Tensor], scales: Iterable[float]) -> Tensor:
    # The gradient is the mean over the targets that share the max.
    return _scaled(ms, scales).amax(0)


def _scaled(ms: Iterable[Tensor], scales: Iterable[float]) -> Tensor:
    return torch.stack([scale * part for scale, part in zip(scales, ms, strict=True)])


def _require_budgets(predictors: Sequence[SearchingPredictor], budgets: Sequence[float]) -> None:
    if not predictors:
        raise LpnetError("worst_of needs at least one predictor")
    if len(budgets) != len(predictors):
        raise LpnetError(
            f"worst_of needs one budget per predictor, got {len(budgets)} for "
            f"{len(predictors)} predictors"
        )
    for index, (predictor, ms) in enumerate(zip(predictors, budgets, strict=True)):
        if not isinstance(ms, Real) or not 0 < ms < math.inf:
            raise LpnetError(
                f"budgets[{index}], of target {predictor.target!r}, must be a positive number of "
                f"milliseconds, got {ms!r}"
            )


def _require_alike(predictors: Sequence[SearchingPredictor]) -> None:
    first = predictors[0]
    for index, other in enumerate(predictors):
        for aspect, value, expected in (
            ("space", other.space.hash, first.space.hash),
            ("batch", other.batch, first.batch),
            ("torch device", other.low.device, first.low.device),
        ):
            if value != expected:
                raise LpnetError(
                    f"predictors[{index}], of target {other.target!r}, differs from predictors[0],"
                    f" of target {first.target!r}, in its {aspect}: {value}, not {expected}"
                )
