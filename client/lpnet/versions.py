"""Two versions of an LPNet against the same held-out workloads."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, stdev
from typing import Any, get_args

from lpnet.errors import LpnetError
from lpnet.schemas.residual import Residual, Residuals
from lpnet.schemas.workload import Kind

_STANDARD_ERRORS = 2.0


@dataclass(frozen=True)
class KindComparison:
    """Mean absolute errors of two versions on the same workloads of a kind, in percent.

    `better` is 1 or 2 if that version errs less by more than two standard errors of the paired
    differences, and else None. `uncovered` counts workloads that only one version predicts.
    """

    kind: Kind
    workloads: int
    first_mape_pct: float
    second_mape_pct: float
    better: int | None
    uncovered: int

    def facts(self) -> dict[str, Any]:
        return asdict(self)


def compare_versions(first: Residuals, second: Residuals) -> tuple[KindComparison, ...]:
    """By kind. Raises LpnetError for versions of different targets or epochs."""
    if (first.target, first.epoch) != (second.target, second.epoch):
        raise LpnetError(
            "only versions of one target and epoch have the same held-out workloads: "
            f"{first.lpnet} is of epoch {first.epoch} of {first.target!r}, and {second.lpnet} of "
            f"epoch {second.epoch} of {second.target!r}"
        )
    others = {item.sample: item for item in second.items}
    pairs = [(item, others[item.sample]) for item in first.items if item.sample in others]
    return tuple(_compare_kinds(pairs))


def _compare_kinds(pairs: Sequence[tuple[Residual, Residual]]) -> Iterator[KindComparison]:
    for kind in get_args(Kind):
        own = [(a.error_pct, b.error_pct) for a, b in pairs if a.kind == kind]
        both = [(abs(a), abs(b)) for a, b in own if a is not None and b is not None]
        if not both:
            continue
        first, second = zip(*both, strict=True)
        yield KindComparison(
            kind=kind,
            workloads=len(both),
            first_mape_pct=fmean(first),
            second_mape_pct=fmean(second),
            better=_better([b - a for a, b in both]),
            uncovered=sum((a is None) != (b is None) for a, b in own),
        )


def _better(differences: Sequence[float]) -> int | None:
    if len(differences) < 2:
        return None
    mean = fmean(differences)
    if abs(mean) <= _STANDARD_ERRORS * stdev(differences) / math.sqrt(len(differences)):
        return None
    return 1 if mean > 0 else 2
