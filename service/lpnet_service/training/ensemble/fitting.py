"""Fitting an ensemble: all members at once, on blocks and networks in one loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lpnet.model.ensemble import Ensemble, EnsembleHeader
from lpnet.model.features import feature_scales, required_static, with_first_static
from lpnet_service.training.ensemble.inputs import KernelInputs
from lpnet_service.training.ensemble.stepping import FitInputs, Layers
from lpnet_service.training.records import Mask, RecordSet, by_workload

# Relative errors under 2% count by their square, larger ones by their size: measurements that
# were disturbed without being marked must not bend the model.
TOLERANCE = 0.02
# Added to the deviation of a feature, so that one that hardly varies is not scaled up to 1.
MIN_DEVIATION = 0.05
MIN_WORKLOADS_TO_SPLIT = 4
# Distinct kernels, above which a step takes a random part of the records. So its time is bounded.
MAX_KERNELS_PER_STEP = 1_500


@dataclass(frozen=True)
class FitSettings:
    """Size of the ensemble, steps of the optimiser, its peak learning rate and weight decay."""

    members: int = 8
    hidden: int = 40
    steps: int = 800
    rate: float = 1e-2
    decay: float = 1e-3


FULL = FitSettings()
QUICK = FitSettings(members=2, hidden=24, steps=250, rate=1.5e-2)


def held_out_by(records: RecordSet, members: int, seed: int) -> Mask:
    """Which records each member is not fitted to, (M, N).

    Members come in pairs. Each pair leaves out its share of the blocks and of the networks, and
    always all records of a workload together. A single pair leaves out nothing, and no pair leaves
    out a kind with fewer than 4 workloads.
    """
    pairs, workloads = members // 2, by_workload(records.records)
    rng = np.random.default_rng(seed)
    fold = np.full(len(records), -1, dtype=np.int64)
    for network in (False, True):
        of_kind = np.flatnonzero(records.network == network)
        distinct = rng.permutation(np.unique(workloads[of_kind]))
        if pairs < 2 or len(distinct) < MIN_WORKLOADS_TO_SPLIT:
            continue
        pair_of = {int(workload): i % pairs for i, workload in enumerate(distinct)}
        fold[of_kind] = [pair_of[int(w)] for w in workloads[of_kind]]
    return np.asarray(fold == (np.arange(members) // 2)[:, None])


def fit(
    inputs: KernelInputs,
    header: EnsembleHeader,
    settings: FitSettings,
    held_out: Mask,
    progress: Callable[[float], None],
) -> Ensemble:
    """An ensemble fitted by AdamW on the log of summed prices; deterministic for a given
    `header.seed`. It has as many static features as the records need.

    Member m is not fitted to records where `held_out[m]` (M, N) is true.
    """
    static = required_static(inputs.features)
    ensemble = Ensemble(header.model_copy(update={"static": static}))
    standardise(ensemble, inputs)
    layers, weights = Layers(ensemble), _weights(held_out)
    optimiser = torch.optim.AdamW(
        layers.parameters(),
        settings.rate,
        betas=(0.9, 0.98),
        weight_decay=settings.decay,
        fused=True,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.rate, total_steps=settings.steps, pct_start=0.2
    )
    batches = _batches(FitInputs.of(ensemble, inputs), settings.steps, header.seed)
    for step, (batch, chosen) in enumerate(batches):
        loss = (weights[:, chosen] * _robust(layers.error(batch))).sum()
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(layers.parameters(), math.sqrt(header.members))
        optimiser.step()
        schedule.step()
        if step % 20 == 0:
            progress(step / settings.steps)
    layers.write(ensemble)
    ensemble.requires_grad_(False)
    return ensemble


def _batches(inputs: FitInputs, steps: int, seed: int) -> Iterator[tuple[FitInputs, Tensor]]:
    """The records of each step, and their numbers."""
    records = len(inputs.target)
    if inputs.kernels <= MAX_KERNELS_PER_STEP:
        every = torch.arange(records)
        for _ in range(steps):
            yield inputs, every
        return
    generator = torch.Generator().manual_seed(seed)
    count = max(1, records * MAX_KERNELS_PER_STEP // inputs.kernels)
    for _ in range(steps):
        chosen = torch.randperm(records, generator=generator)[:count]
        yield inputs.pick(chosen), chosen


def standardise(ensemble: Ensemble, inputs: KernelInputs) -> None:
    static = ensemble.header.static
    features = with_first_static(inputs.features, static)
    deviation = features.std(0, correction=0)
    varied = deviation > 1e-6
    scale = torch.where(varied, 1.0 / (deviation + MIN_DEVIATION), torch.zeros_like(deviation))
    ensemble.mean.copy_(features.mean(0))
    ensemble.scale.copy_(scale * feature_scales(static))


def _weights(held_out: Mask) -> Tensor:
    """Weight of each record for each member, (M, N); each row adds up to 1."""
    fitted = torch.from_numpy(~held_out).float()
    return fitted / fitted.sum(1, keepdim=True)


def _robust(error: Tensor) -> Tensor:
    zero = torch.zeros_like(error)
    huber = torch.nn.functional.huber_loss(error, zero, reduction="none", delta=TOLERANCE)
    return huber / TOLERANCE
