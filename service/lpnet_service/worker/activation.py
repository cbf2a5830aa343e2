"""Whether a new LPNet replaces the active one: both are tested on the same held-out workloads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import get_args

import numpy as np
import torch

from lpnet.errors import FileFormatError, NotCovered
from lpnet.model.base import LatencyModel
from lpnet.model.files import load
from lpnet.schemas.workload import Kind
from lpnet_service.errors import DamagedArtifact
from lpnet_service.services.learning import lpnets
from lpnet_service.services.learning.lpnets import ActivationDecision
from lpnet_service.services.shared.context import Context
from lpnet_service.training import Record
from lpnet_service.worker.dataset import Dataset

_STANDARD_ERRORS = 2.0
# Absolute log error by workload key, for the workloads that an LPNet covers.
Errors = dict[str, float]


def decide(ctx: Context, content: bytes, data: Dataset) -> ActivationDecision:
    """Compare a trained LPNet, given as the bytes of its file, with the active one of its target.

    The new one takes over unless it is worse on networks or on blocks. If only one of them covers
    a held-out workload, that one wins. If each covers some that the other does not, the new one
    wins.
    """
    active = lpnets.active(ctx, data.target)
    held_out = [record for record in data.records if record.held_out]
    if active is None or not held_out:
        return ActivationDecision(active, takes_over=True)
    try:
        old = errors(load(lpnets.weights(ctx, active)), held_out)
    except (FileFormatError, DamagedArtifact):
        # Written by another version of lpnet, or lost: it cannot predict any more.
        return ActivationDecision(active, takes_over=True)
    new = errors(load(content), held_out)
    if old.keys() != new.keys():
        return ActivationDecision(active, takes_over=bool(new.keys() - old.keys()))
    kinds = {record.key: record.kind for record in held_out}
    by_kind = ([key for key in new if kinds[key] == kind] for kind in get_args(Kind))
    takes_over = all(
        not_worse([new[key] for key in keys], [old[key] for key in keys]) for keys in by_kind
    )
    return ActivationDecision(active, takes_over)


def errors(lpnet: LatencyModel, records: Sequence[Record]) -> Errors:
    """|log(predicted / measured)| by workload; repeated measurements are averaged first."""
    measured: dict[str, list[float]] = defaultdict(list)
    for record in records:
        measured[record.key].append(np.log(record.latency_ms))
    errors_: Errors = {}
    for key, record in {record.key: record for record in records}.items():
        try:
            bound = lpnet.bind(record.table, record.batch)
        except NotCovered:
            continue
        with torch.no_grad():
            predicted = float(bound(torch.zeros(0)).log())
        errors_[key] = abs(predicted - float(np.mean(measured[key])))
    return errors_


def not_worse(new: Sequence[float], old: Sequence[float]) -> bool:
    """Whether the mean of `new` exceeds that of `old` by at most two standard errors of the paired
    differences.

    Both are errors on the same workloads, in the same order. With a single pair the plain
    difference decides.
    """
    if not new:
        return True
    differences = np.array(new) - np.array(old)
    count = len(differences)
    noise = differences.std(ddof=1) / np.sqrt(count) if count > 1 else 0.0
    return bool(differences.mean() <= _STANDARD_ERRORS * noise)
