"""How far an ensemble may be off: its spread, and the factors that its intervals need.

Every pair of members was fitted without some of the workloads, so each workload is predicted by
members that did not see it. Its error over its spread is its conformal score. (Scoring by models
that left the sample out follows Barber et al., Predictive inference with the jackknife+.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lpnet.model.ensemble import Ensemble
from lpnet.model.ensemble.network import TERMS
from lpnet.model.ensemble.spread import relative_spread
from lpnet_service.training.conformal import calibration
from lpnet_service.training.ensemble.inputs import KernelInputs
from lpnet_service.training.predictions import Predictions
from lpnet_service.training.records import Mask, Vector

# Precision of the last layer's weights before any measurement.
PRIOR_PRECISION = 1.0
MIN_SPREAD = 0.002


@dataclass(frozen=True)
class Outputs:
    """An ensemble's outputs for N records: `total` (M, N) in ms, and `slope` (M, N, D) of its log
    by the last layer's weights."""

    total: Tensor
    slope: Tensor

    @property
    def latency(self) -> Vector:
        """Predicted ms, (N,)."""
        return np.asarray(self.total.mean(0).double().numpy())

    def spread(self, ensemble: Ensemble) -> Vector:
        """Relative spread, (N,)."""
        spread = relative_spread(
            self.total.T,
            self.slope.transpose(0, 1),
            ensemble.leverage,
            ensemble.header.base_spread,
        )
        return np.asarray(spread.double().numpy())


def outputs(ensemble: Ensemble, inputs: KernelInputs) -> Outputs:
    standardised = ensemble.standardised(inputs.features).float()
    segment, count, members = inputs.segment(), len(inputs), ensemble.header.members
    with torch.no_grad():
        hidden = ensemble.hidden(standardised)
        terms = _terms(ensemble, inputs, hidden)
        total = torch.zeros(members, count).index_add(1, segment, terms.sum(-1))
        share = terms / total[:, segment, None]
        bias = torch.ones(*hidden.shape[:2], 1)
        slope = torch.zeros(members, count, TERMS * (hidden.shape[-1] + 1))
        # All kernels times D would be gigabytes for large sets, so one member at a time.
        for member in range(members):
            with_bias = torch.cat((hidden[member], bias[member]), -1)
            products = _per_term(share[member], with_bias)
            slope[member] = slope[member].index_add(0, segment, products)
    return Outputs(total, slope)


def _terms(ensemble: Ensemble, inputs: KernelInputs, hidden: Tensor) -> Tensor:
    """Both summands of prices in ms, (M, U, 2)."""
    logs = inputs.logs.float()
    log_terms, limits = ensemble.log_terms(hidden, logs), ensemble.limits(inputs.features)
    return (log_terms.exp() if limits is None else limits.held(log_terms, logs)).mT


def calibrate(
    ensemble: Ensemble,
    inputs: KernelInputs,
    network: Mask,
    held_out: Mask,
    noise_floor_pct: float | None,
) -> Ensemble:
    """Set the leverage, base spread and calibration of an ensemble from its training data.

    `network` (N,) says which records are networks, `held_out` (M, N) which records each member was
    not fitted to.
    """
    predicted = outputs(ensemble, inputs)
    cross = _CrossPredictions.of(predicted, np.log(inputs.latency), held_out)
    scale = _scales(cross, network)
    precision = torch.from_numpy(1.0 / scale[network.astype(int)] ** 2)
    for member in range(ensemble.header.members):
        fitted = torch.from_numpy(~held_out[member])
        ensemble.leverage[member] = _factor(predicted.slope[member], precision * fitted)
    distance = _distance(predicted.slope, ensemble.leverage, cross.members)
    variance = cross.disagreement + distance
    base_spread = _base_spread(scale, variance, noise_floor_pct)
    scores = cross.error / np.sqrt(base_spread**2 + variance)
    update = {
        "base_spread": base_spread,
        "calibration": calibration(scores, cross.scored, network),
    }
    ensemble.header = ensemble.header.model_copy(update=update)
    return ensemble


def cross_predictions(ensemble: Ensemble, inputs: KernelInputs, held_out: Mask) -> Predictions:
    """The training records of a calibrated ensemble, each as the members predict it that were not
    fitted to it; NaN for records that all members were fitted to."""
    predicted = outputs(ensemble, inputs)
    cross = _CrossPredictions.of(predicted, np.log(inputs.latency), held_out)
    distance = _distance(predicted.slope, ensemble.leverage, cross.members)
    spread = np.sqrt(ensemble.header.base_spread**2 + cross.disagreement + distance)
    return Predictions(np.where(cross.scored, np.exp(cross.log_ms), np.nan), spread)


@dataclass(frozen=True)
class _CrossPredictions:
    """Each record as predicted by the members that were not fitted to it.

    `members` (M, N) selects these members, or all members if every member was fitted to the
    record; `scored` (N,) says which case applies. `log_ms` (N,) is their mean, and `error` (N,)
    its absolute error. `disagreement` (N,) is the variance of the log among all members, corrected
    for having been fitted to the record. The full ensemble errs slightly less than these few
    members, so intervals tend to be too wide rather than too narrow.
    """

    members: Mask
    scored: Mask
    log_ms: Vector
    error: Vector
    disagreement: Vector

    @classmethod
    def of(cls, predicted: Outputs, log_ms: Vector, held_out: Mask) -> _CrossPredictions:
        logs = torch.log(predicted.total).double().numpy()
        scored = np.asarray(held_out.any(0))
        members = np.where(scored, held_out, True)
        mean = _mean(logs, members)
        disagreement = logs.var(0)
        if scored.any():
            # Members agree more on a workload that they were fitted to than on a new one.
            variance = _variance(logs, members)
            inflation = variance[scored].mean() / max(float(disagreement[scored].mean()), 1e-12)
            disagreement = disagreement * max(1.0, inflation)
        return cls(members, scored, mean, np.abs(log_ms - mean), disagreement)


def _mean(values: Vector, chosen: Mask) -> Vector:
    """Mean over the chosen members of each record, (M, N) to (N,)."""
    return np.asarray((values * chosen).sum(0) / chosen.sum(0))


def _variance(values: Vector, chosen: Mask) -> Vector:
    """Unbiased variance over the chosen members of each record; 0 for a single one."""
    squared = (values - _mean(values, chosen)) ** 2
    return np.asarray((squared * chosen).sum(0) / np.maximum(1, chosen.sum(0) - 1))


def _per_term(share: Tensor, hidden: Tensor) -> Tensor:
    """Products (U, TERMS (H + 1)), laid out like `last_layer_slope`: for each term the weights,
    then the bias."""
    return (share[:, :, None] * hidden[:, None, :]).flatten(1)


def _scales(cross: _CrossPredictions, network: Mask) -> Vector:
    scales = []
    for kind in (False, True):
        of_kind = cross.error[cross.scored & (network == kind)]
        errors = of_kind if len(of_kind) else cross.error
        scales.append(max(MIN_SPREAD, 1.4826 * float(np.median(errors))))
    return np.array(scales)


def _base_spread(scale: Vector, variance: Vector, noise_floor_pct: float | None) -> float:
    """The part of typical errors that `variance` does not explain; at least the noise floor."""
    typical = float(np.median(scale)) ** 2
    floor = MIN_SPREAD if noise_floor_pct is None else noise_floor_pct / 100.0
    unexplained = max(typical - float(np.median(variance)), typical / 16.0)
    return float(np.sqrt(max(unexplained, floor**2, MIN_SPREAD**2)))


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


def _distance(slope: Tensor, leverage: Tensor, members: Mask) -> Vector:
    """Squared distance (N,) of each record from the data of the members that predict it."""
    squared = (slope @ leverage).square().sum(-1)
    return _mean(squared.double().numpy(), members)
