"""What other targets measured, and an op process of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lpnet_service.training.op_process.distinct import DistinctKernels
from lpnet_service.training.op_process.fitting import FitSettings, Fitted, fit, rooflines_of
from lpnet_service.training.op_process.inducing import choose
from lpnet_service.training.op_process.posterior import fit_posterior, linearised
from lpnet_service.training.records import Index, Record, RecordSet

# A target with more training samples than this needs no other.
MAX_SAMPLES = 200
# So many samples of a source are taken at most, at random.
MAX_SOURCE_SAMPLES = 1000


@dataclass(frozen=True)
class Source:
    """Another target, and its samples. `same_device`: only runtime or settings differ."""

    target: str
    records: tuple[Record, ...]
    same_device: bool = False


@dataclass(frozen=True)
class JointFit:
    """An op process of a source, over kernels of both targets.

    `rows` are the records of the new target among those of `kernels`; the process is fitted to
    the others. Its inducing kernels are of both.
    """

    kernels: DistinctKernels
    rows: Index
    fitted: Fitted


def fit_source(
    source: Source, records: RecordSet, types: int, seed: int, settings: FitSettings
) -> JointFit:
    """Fit an op process to the samples of a source, over its kernels and those of `records`."""
    drawn = _drawn(source.records, seed)
    kernels = DistinctKernels.of(RecordSet.of([*drawn, *records.records]))
    every = np.arange(len(kernels.log_ms))
    rows = every[: len(drawn)]
    fitted = fit(kernels, types, seed, None, settings, lambda share: None, rows)
    rooflines = rooflines_of(fitted.rates, kernels)
    correction = fitted.basis.root @ fitted.posterior.weights
    shares, _ = linearised(kernels, every, rooflines, correction)
    basis = choose(
        fitted.scaling.of(kernels.features),
        kernels.types,
        np.asarray(shares.multiply(shares).sum(0)).ravel(),
        fitted.process,
        settings.inducing,
    )
    noise, extra = fitted.process.noise, fitted.posterior.extra
    posterior = fit_posterior(kernels, rows, basis, rooflines, noise, extra)
    joint = replace(fitted, basis=basis, posterior=posterior)
    return JointFit(kernels, every[len(drawn) :], joint)


def _drawn(records: Sequence[Record], seed: int) -> list[Record]:
    order = np.random.default_rng(seed).permutation(len(records))
    return [records[i] for i in order[:MAX_SOURCE_SAMPLES]]
