"""Workloads to measure next, by an op process of what is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.sparse import csr_matrix

from lpnet.model.op_types import MORE_TYPES, TYPES
from lpnet_service.training.design.greedy import batch
from lpnet_service.training.op_process.distinct import DistinctKernels
from lpnet_service.training.op_process.fitting import QUICK, fit, rooflines_of
from lpnet_service.training.op_process.inducing import choose
from lpnet_service.training.op_process.posterior import fit_posterior, linearised
from lpnet_service.training.records import Index, Record, RecordSet, require_samples
from lpnet_service.training.screening import screened
from lpnet_service.training.threads import one_thread

# More inducing kernels than a rough fit has: those of candidates count as well.
SETTINGS = replace(QUICK, inducing=400)
# What the kernels of a candidate count beside those of the reference.
_CANDIDATE_SHARE = 1e-3


def most_informative(
    measured: Sequence[Record],
    candidates: Sequence[Record],
    reference: Sequence[Record],
    count: int,
    *,
    target: str,
    seed: int,
) -> list[int]:
    """Indices of at most `count` candidates: those after which the latencies of `reference` are
    known best. The latencies of candidates and reference are not looked at.

    Raises LpnetError for too few samples, and for a table that `screened` refuses.
    """
    if not candidates or not reference:
        return []
    samples = screened(measured).records
    require_samples(samples, f"choosing what to measure on {target}")
    kernels = DistinctKernels.of(RecordSet.of([*samples, *candidates, *reference]))
    first, second = len(samples), len(samples) + len(candidates)
    every = np.arange(len(kernels.log_ms))
    with one_thread():
        return chosen(kernels, every[:first], every[first:second], every[second:], count, seed)


def chosen(
    kernels: DistinctKernels,
    measured: Index,
    candidates: Index,
    reference: Index,
    count: int,
    seed: int,
) -> list[int]:
    """`most_informative`, of records that are rows of `kernels`."""
    types = len(TYPES) + len(MORE_TYPES)
    fitted = fit(kernels, types, seed, None, SETTINGS, lambda share: None, measured)
    process, rooflines = fitted.process, rooflines_of(fitted.rates, kernels)
    every = np.arange(len(kernels.log_ms))
    correction = fitted.basis.root @ fitted.posterior.weights
    shares, _ = linearised(kernels, every, rooflines, correction)
    # Inducing kernels are those on which the reference depends most.
    of_reference, of_all = _squares(shares[reference]).mean(0), _squares(shares).mean(0)
    importance = np.asarray(of_reference + _CANDIDATE_SHARE * of_all).ravel()
    points = fitted.scaling.of(kernels.features)
    basis = choose(points, kernels.types, importance, process, SETTINGS.inducing)
    extra = fitted.posterior.extra
    posterior = fit_posterior(kernels, measured, basis, rooflines, process.noise, extra)
    factors = np.asarray(shares @ basis.root) @ posterior.factor
    loose = np.asarray(_squares(shares[candidates]) @ basis.loose).ravel()
    return batch(factors[candidates], process.noise + loose, factors[reference], count)


def _squares(shares: csr_matrix) -> csr_matrix:
    return csr_matrix(shares.multiply(shares))
