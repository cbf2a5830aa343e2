"""One predictor of several targets: at any widths, the one that is furthest over its budget."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import chain
from numbers import Real

import torch
from torch import Tensor, nn

from lpnet.errors import LpnetError
from lpnet.predictor.base import AnyPredictor
from lpnet.predictor.width_checks import WidthsLike
from lpnet.search.memory import Rooms
from lpnet.search.prices import Pricer


def worst_of(predictors: Sequence[AnyPredictor], budgets: Sequence[float]) -> WorstOf:
    """One predictor of predictors of several targets, for one network that suits them all.

    `budgets` are in ms, one for each. The result serves wherever a Predictor does; there,
    `budget_ms=budgets[0]` asks every target for its own budget, and another `budget_ms` for all of
    them scaled alike.

    Raises LpnetError for no predictors, another number of budgets, a budget that is not a positive
    number, and predictors that differ in space, batch size, or the torch device they are on.
    """
    return WorstOf(predictors, budgets)


class WorstOf(AnyPredictor):
    """The latency of the worst of several targets, in ms of the first: the most, over all targets,
    of ms by budget, times the first budget. AnyPredictor says what widths are.

    Predictions are exact, and so are searches: they price candidates on every target. A search may
    also step on what is fast on one target alone, even if forward does not find it fast.
    `predictors` and `budgets` are those it was made of.
    """

    def __init__(self, predictors: Sequence[AnyPredictor], budgets: Sequence[float]) -> None:
        _require_budgets(predictors, budgets)
        _require_alike(predictors)
        asked = (f"{p.target} ({ms:g} ms)" for p, ms in zip(predictors, budgets, strict=True))
        first = predictors[0]
        super().__init__(first.space, f"worst of {', '.join(asked)}", first.low.device)
        self.predictors = tuple(predictors)
        self.budgets = tuple(float(ms) for ms in budgets)
        # What a torch module registers moves along with it.
        self._moved = nn.ModuleList(predictors)
        self._scales = [self.budgets[0] / ms for ms in self.budgets]

    @property
    def fingerprint(self) -> str:
        """Of the predictors' fingerprints and of the budgets, as SHA-256 in hexadecimal."""
        parts = [predictor.fingerprint for predictor in self.predictors]
        return hashlib.sha256(repr((parts, self.budgets)).encode()).hexdigest()

    def at(self, batch: int) -> WorstOf:
        """The same targets and budgets at another batch size. Raises NotCovered."""
        return WorstOf([predictor.at(batch) for predictor in self.predictors], self.budgets)

    def interval(self, widths: WidthsLike, coverage: float = 0.9) -> tuple[Tensor, Tensor]:
        """The worst low end and the worst high end of all targets in ms, shaped as forward's.

        `coverage` is that of each target's own interval, whose misses are taken to be as often
        above it as below. So `high` is safe for each target by itself: of what is measured there,
        scaled as forward is, a share of at least (1 + coverage) / 2 is at most `high`. That all n
        targets are at once is only known for 1 - n (1 - coverage) / 2, and that the worst of them
        also is at least `low` for 1 - (n + 1) (1 - coverage) / 2.

        Raises ValueError for a coverage not between 0 and 1, LpnetError where an LPNet was never
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
    def rooms(self) -> Rooms:
        """Those of all targets: a network has to fit on each."""
        return Rooms([room for predictor in self.predictors for room in predictor.rooms.rooms])

    @cached_property
    def _pricer(self) -> Pricer:
        return _WorstPricer([predictor._pricer for predictor in self.predictors], self._scales)

    @cached_property
    def _ladders(self) -> list[tuple[Tensor, ...]]:
        """One for each target: who is the worst when all is dense need not be so where a budget
        is met. Not one of all their values: between a comb's teeth those of others are many."""
        ladders = zip(*(predictor._ladders for predictor in self.predictors), strict=True)
        return [tuple(chain.from_iterable(several)) for several in ladders]


class _WorstPricer:
    """The worst of several pricers, exactly; Repricer's docstrings say what each method does."""

    def __init__(self, pricers: Sequence[Pricer], scales: Sequence[float]) -> None:
        self.device = pricers[0].device
        self._pricers = pricers
        self._scales = scales

    def total(self, widths: Tensor) -> Tensor:
        return _worst([pricer.total(widths) for pricer in self._pricers], self._scales)

    def changes(self, base: Tensor, places: Tensor, values: Tensor) -> Tensor:
        before = _scaled([pricer.total(base[None]) for pricer in self._pricers], self._scales)
        changes = [pricer.changes(base, places, values) for pricer in self._pricers]
        # Room below the worst, and then the change: the change of a single pricer stays exact.
        return (before - before.amax(0) + _scaled(changes, self._scales)).amax(0)


def _worst(ms: Iterable[Tensor], scales: Iterable[float]) -> Tensor:
    """Where several are the worst, the gradient is the mean of theirs."""
    return _scaled(ms, scales).amax(0)


def _scaled(ms: Iterable[Tensor], scales: Iterable[float]) -> Tensor:
    return torch.stack([scale * part for scale, part in zip(scales, ms, strict=True)])


def _require_budgets(predictors: Sequence[AnyPredictor], budgets: Sequence[float]) -> None:
    if not predictors:
        raise LpnetError("predictors: worst_of takes at least one")
    if len(budgets) != len(predictors):
        raise LpnetError(
            f"budgets: worst_of takes one for each predictor, not {len(budgets)} for "
            f"{len(predictors)}"
        )
    for place, (predictor, ms) in enumerate(zip(predictors, budgets, strict=True)):
        if not isinstance(ms, Real) or not 0 < ms < math.inf:
            raise LpnetError(
                f"budgets[{place}], of target {predictor.target!r}, is a positive number of "
                f"milliseconds, not {ms!r}"
            )


def _require_alike(predictors: Sequence[AnyPredictor]) -> None:
    first = predictors[0]
    for place, other in enumerate(predictors):
        for what, own, firsts in (
            ("space", other.space.hash, first.space.hash),
            ("batch", other.batch, first.batch),
            ("torch device", other.low.device, first.low.device),
        ):
            if own != firsts:
                raise LpnetError(
                    f"predictors[{place}], of target {other.target!r}, differs from predictors[0],"
                    f" of target {first.target!r}, in its {what}: {own}, not {firsts}"
                )
