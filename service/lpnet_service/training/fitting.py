"""Fitting an LPNet: all members at once, on blocks and networks in one loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lpnet.model.features import prior
from lpnet.model.header import Header
from lpnet.model.lpnet import LPNet
from lpnet_service.training.records import Data, Mask, by_workload

# Relative errors under 2% count by their square, larger ones by their size: measurements that
# something disturbed unseen must not bend the model.
TOLERANCE = 0.02
# A feature that hardly varies is not blown up to unit size.
LEAST_DEVIATION = 0.05
LEAST_LEFT_OUT = 4
# Beyond this a step takes a random part of the records, so that its time stays bounded.
MOST_KERNELS = 24_000


@dataclass(frozen=True)
class Effort:
    """How long and how large."""

    members: int = 8
    hidden: int = 40
    steps: int = 1600
    rate: float = 1e-2
    decay: float = 1e-3


QUICK = Effort(members=2, hidden=24, steps=250, rate=1.5e-2)


def unseen_by(data: Data, members: int, seed: int) -> Mask:
    """Which records each member is not to see, (M, N).

    Members come in pairs; a pair leaves out its share of the blocks and of the networks, records
    of one workload together. Of a kind with fewer than 4 workloads, and where there is but one
    pair, everybody sees everything.
    """
    pairs, workloads = members // 2, by_workload(data.records)
    rng = np.random.default_rng(seed)
    fold = np.full(len(data), -1, dtype=np.int64)
    for network in (False, True):
        of_kind = np.flatnonzero(data.network == network)
        distinct = rng.permutation(np.unique(workloads[of_kind]))
        if pairs < 2 or len(distinct) < LEAST_LEFT_OUT:
            continue
        turn = {int(workload): i % pairs for i, workload in enumerate(distinct)}
        fold[of_kind] = [turn[int(w)] for w in workloads[of_kind]]
    return np.asarray(fold == (np.arange(members) // 2)[:, None])


def fit(
    data: Data,
    header: Header,
    effort: Effort,
    unseen: Mask,
    progress: Callable[[float], None],
) -> LPNet:
    """An LPNet that fits the data, by AdamW on the log of summed prices; deterministic by
    `header.seed`. Member m never sees records where `unseen[m]` (M, N)."""
    lpnet = LPNet(header)
    _standardise(lpnet, data)
    weights = _weights(unseen)
    optimiser = torch.optim.AdamW(
        lpnet.parameters(), effort.rate, betas=(0.9, 0.98), weight_decay=effort.decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, effort.rate, total_steps=effort.steps, pct_start=0.2
    )
    for step, (part, chosen) in enumerate(_steps(lpnet, data, effort.steps, header.seed)):
        loss = (weights[:, chosen] * _robust(part.error(lpnet))).sum()
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(lpnet.parameters(), math.sqrt(header.members))
        optimiser.step()
        schedule.step()
        if step % 20 == 0:
            progress(step / effort.steps)
    lpnet.requires_grad_(False)
    return lpnet


@dataclass(frozen=True)
class _Part:
    """What a step learns from, as the network takes it."""

    inputs: Tensor
    logs: Tensor
    segment: Tensor
    target: Tensor

    @classmethod
    def of(cls, lpnet: LPNet, data: Data) -> _Part:
        inputs = ((data.features - lpnet.mean) * lpnet.scale).float()
        target = torch.from_numpy(np.log(data.latency)).float()
        return cls(inputs, data.logs.float(), data.segment(), target)

    def error(self, lpnet: LPNet) -> Tensor:
        """Log of predicted over measured, (M, N)."""
        total = summed(lpnet, self.inputs, self.logs, self.segment, len(self.target))
        return torch.log(total) - self.target


def _steps(lpnet: LPNet, data: Data, steps: int, seed: int) -> Iterator[tuple[_Part, Tensor]]:
    """What each step learns from, and which records that is."""
    kernels = int(data.bounds[-1])
    if kernels <= MOST_KERNELS:
        whole, everything = _Part.of(lpnet, data), torch.arange(len(data))
        for _ in range(steps):
            yield whole, everything
        return
    rng = np.random.default_rng(seed)
    count = max(1, len(data) * MOST_KERNELS // kernels)
    for _ in range(steps):
        chosen = rng.choice(len(data), count, replace=False)
        yield _Part.of(lpnet, data.pick(chosen)), torch.from_numpy(chosen)


def summed(lpnet: LPNet, inputs: Tensor, logs: Tensor, segment: Tensor, count: int) -> Tensor:
    """Latency in ms of `count` records by every member, (M, count)."""
    prices = lpnet.terms(inputs, logs).sum(-1)
    nothing = torch.zeros(lpnet.header.members, count, dtype=prices.dtype)
    return nothing.index_add(1, segment, prices)


def _standardise(lpnet: LPNet, data: Data) -> None:
    deviation = data.features.std(0, correction=0)
    varied = deviation > 1e-6
    scale = torch.where(varied, 1.0 / (deviation + LEAST_DEVIATION), torch.zeros_like(deviation))
    lpnet.mean.copy_(data.features.mean(0))
    lpnet.scale.copy_(scale * prior())


def _weights(unseen: Mask) -> Tensor:
    """Weight of each record for each member, (M, N), each row adding up to one."""
    seen = torch.from_numpy(~unseen).float()
    return seen / seen.sum(1, keepdim=True)


def _robust(error: Tensor) -> Tensor:
    nothing = torch.zeros_like(error)
    huber = torch.nn.functional.huber_loss(error, nothing, reduction="none", delta=TOLERANCE)
    return huber / TOLERANCE
