"""How far an LPNet may be off: its spread, and what spread held how many unseen workloads.

Every pair of members has left out some workloads, so each workload is predicted by members that
never saw it. Its error over its spread is a conformal score; the quantiles of the scores, by
kind, scale the intervals. (Barber et al., Predictive inference with the jackknife+, is the idea
of scoring by models that left the sample out.)
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import torch
from torch import Tensor

from lpnet.model.bound import relative_spread
from lpnet.model.header import Calibration
from lpnet.model.lpnet import TERMS, LPNet
from lpnet_service.training.records import Data, Mask, Vector

COVERAGES = (0.5, 0.6, 0.68, 0.75, 0.8, 0.85, 0.9, 0.95, 0.99)
# Precision of the last layer's weights before anything was measured.
PRIOR_PRECISION = 1.0
LEAST_SPREAD = 0.002
# Where a kind was never left out, its intervals are those of the other kind, this much wider.
UNSEEN_KIND = 2.0


@dataclass(frozen=True)
class Outputs:
    """What an LPNet says of records: `total` (M, N) in ms, and `slope` (M, N, D) of its log by the
    last layer's weights."""

    total: Tensor
    slope: Tensor

    @property
    def latency(self) -> Vector:
        """Predicted ms, (N,)."""
        return np.asarray(self.total.mean(0).double().numpy())

    def spread(self, lpnet: LPNet) -> Vector:
        """Relative spread, (N,)."""
        spread = relative_spread(
            self.total.T, self.slope.transpose(0, 1), lpnet.leverage, lpnet.header.base_spread
        )
        return np.asarray(spread.double().numpy())


def outputs(lpnet: LPNet, data: Data) -> Outputs:
    """An LPNet on all records at once."""
    inputs = ((data.features - lpnet.mean) * lpnet.scale).float()
    segment, count, members = data.segment(), len(data), lpnet.header.members
    with torch.no_grad():
        hidden = lpnet.hidden(inputs)
        terms = torch.exp(hidden @ lpnet.w3 + lpnet.b3 + data.logs.float().T)
        total = torch.zeros(members, count).index_add(1, segment, terms.sum(-1))
        share = terms / total[:, segment, None]
        one = torch.ones(*hidden.shape[:2], 1)
        slope = torch.zeros(members, count, TERMS * (hidden.shape[-1] + 1))
        # Kernels of all records times D would be gigabytes for large sets: a member at a time.
        for member in range(members):
            known = torch.cat((hidden[member], one[member]), -1)
            products = _per_term(share[member], known)
            slope[member] = slope[member].index_add(0, segment, products)
    return Outputs(total, slope)


def calibrate(lpnet: LPNet, data: Data, unseen: Mask, noise_floor_pct: float | None) -> LPNet:
    """Gives an LPNet its spread and its quantiles, from the data it was fitted to.

    `unseen` (M, N) says which records each member did not see.
    """
    said = outputs(lpnet, data)
    checked = _Checked.of(said, np.log(data.latency), unseen)
    scale = _scales(checked, data.network)
    precision = torch.from_numpy(1.0 / scale[data.network.astype(int)] ** 2)
    for member in range(lpnet.header.members):
        seen = torch.from_numpy(~unseen[member])
        lpnet.leverage[member] = _factor(said.slope[member], precision * seen)
    variance = checked.disagreement + _distance(said.slope, lpnet.leverage, checked.judges)
    base_spread = _base_spread(scale, variance, noise_floor_pct)
    scores = checked.error / np.sqrt(base_spread**2 + variance)
    update = {
        "base_spread": base_spread,
        "calibration": _quantiles(scores, checked.known, data.network),
    }
    lpnet.header = lpnet.header.model_copy(update=update)
    return lpnet


@dataclass(frozen=True)
class _Checked:
    """Each record as members that never saw it predict it.

    `judges` (M, N) are those members (all, where each saw it), `known` (N,) whether there are
    any, `error` (N,) the absolute log error of their mean, `disagreement` (N,) the variance of
    the log that all members would have had, had none seen it. All members together err a little
    less than a record's few judges, so intervals are a little wide rather than narrow.
    """

    judges: Mask
    known: Mask
    error: Vector
    disagreement: Vector

    @classmethod
    def of(cls, said: Outputs, truth: Vector, unseen: Mask) -> _Checked:
        logs = torch.log(said.total).double().numpy()
        known = np.asarray(unseen.any(0))
        judges = np.where(known, unseen, True)
        error = np.abs(truth - _mean(logs, judges))
        disagreement = logs.var(0)
        if known.any():
            # Members that have seen a workload agree on it more than on a new one.
            apart = _variance(logs, judges)
            inflated = apart[known].mean() / max(float(disagreement[known].mean()), 1e-12)
            disagreement = disagreement * max(1.0, inflated)
        return cls(judges, known, error, disagreement)


def _mean(values: Vector, chosen: Mask) -> Vector:
    """Mean over the chosen members of each record, (M, N) to (N,)."""
    return np.asarray((values * chosen).sum(0) / chosen.sum(0))


def _variance(values: Vector, chosen: Mask) -> Vector:
    """Unbiased variance over the chosen members of each record; 0 for a single one."""
    squared = (values - _mean(values, chosen)) ** 2
    return np.asarray((squared * chosen).sum(0) / np.maximum(1, chosen.sum(0) - 1))


def _per_term(share: Tensor, known: Tensor) -> Tensor:
    """Products (U, TERMS (H + 1)), laid out as `last_layer_slope` does: of each term the
    weights, then the bias."""
    return (share[:, :, None] * known[:, None, :]).flatten(1)


def _scales(checked: _Checked, network: Mask) -> Vector:
    """Robust standard deviation of the log error of blocks and of networks."""
    found = []
    for kind in (False, True):
        of_kind = checked.error[checked.known & (network == kind)]
        chosen = of_kind if len(of_kind) else checked.error
        found.append(max(LEAST_SPREAD, 1.4826 * float(np.median(chosen))))
    return np.array(found)


def _base_spread(scale: Vector, variance: Vector, noise_floor_pct: float | None) -> float:
    """What typical errors have beyond the known variance; never under the noise floor."""
    typical = float(np.median(scale)) ** 2
    floor = LEAST_SPREAD if noise_floor_pct is None else noise_floor_pct / 100.0
    rest = max(typical - float(np.median(variance)), typical / 16.0)
    return float(np.sqrt(max(rest, floor**2, LEAST_SPREAD**2)))


def _factor(slope: Tensor, precision: Tensor) -> Tensor:
    """F (D, D) with F F^T the inverse of the last layer's information matrix."""
    wide = slope.double()
    information = wide.T @ (wide * precision.double()[:, None])
    information += PRIOR_PRECISION * torch.eye(wide.shape[1], dtype=torch.float64)
    lower = torch.linalg.cholesky(information)
    inverse = torch.linalg.solve_triangular(
        lower, torch.eye(wide.shape[1], dtype=torch.float64), upper=False
    )
    factor: Tensor = inverse.T.float()
    return factor


def _distance(slope: Tensor, leverage: Tensor, judges: Mask) -> Vector:
    """Squared distance (N,) of each record from the data of the members that judge it."""
    squared = (slope @ leverage).square().sum(-1)
    return _mean(squared.double().numpy(), judges)


def _quantiles(scores: Vector, known: Mask, network: Mask) -> Calibration:
    block = _of_kind(scores[known & ~network])
    networks = _of_kind(scores[known & network])
    normal = [_normal(coverage) * UNSEEN_KIND for coverage in COVERAGES]
    if block is None and networks is None:
        block = networks = normal
    widened = [q * UNSEEN_KIND for q in (block or networks or normal)]
    return Calibration(
        coverages=COVERAGES,
        block=tuple(widened if block is None else block),
        network=tuple(widened if networks is None else networks),
    )


def _of_kind(scores: Vector) -> list[float] | None:
    """Quantile i / (n + 1) is the i-th smallest score; beyond the last, a normal tail."""
    count = len(scores)
    if not count:
        return None
    ordered = np.maximum(np.sort(scores), 1e-3)
    levels = np.arange(1, count + 1) / (count + 1)
    last = levels[-1]
    found = [
        float(np.interp(c, [0.0, *levels], [0.0, *ordered]))
        if c <= last
        else float(ordered[-1]) * _normal(c) / _normal(last)
        for c in COVERAGES
    ]
    return [max(q, 1e-3) for q in found]


def _normal(coverage: float) -> float:
    return NormalDist().inv_cdf(0.5 + coverage / 2.0)
