"""Whether a new LPNet takes over from the one in use: both judged on the same held-out set."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import get_args

import numpy as np
import torch

from lpnet.errors import FileFormatError, NotCovered
from lpnet.model.files import load
from lpnet.model.lpnet import LPNet
from lpnet.schemas.workload import Kind
from lpnet_service.errors import DamagedArtifact
from lpnet_service.services.learning import lpnets
from lpnet_service.services.learning.lpnets import Verdict
from lpnet_service.services.shared.context import Context
from lpnet_service.training import Record
from lpnet_service.worker.dataset import Dataset

_STANDARD_ERRORS = 2.0
# Absolute log error by workload key, of the workloads that an LPNet covers.
Errors = dict[str, float]


def judge(ctx: Context, content: bytes, data: Dataset) -> Verdict:
    """Compare a trained LPNet, the bytes of its file, with the active one of its target.

    Neither networks nor blocks may be worse. Where the new one covers a held-out workload that
    the active one does not, it takes over; the other way round the active one stays.
    """
    rival = lpnets.active(ctx, data.target)
    held_out = [record for record in data.records if record.held_out]
    if rival is None or not held_out:
        return Verdict(rival, takes_over=True)
    try:
        old = errors(load(lpnets.weights(ctx, rival)), held_out)
    except (FileFormatError, DamagedArtifact):
        # Made by another version of lpnet, or lost: it cannot answer a prediction either.
        return Verdict(rival, takes_over=True)
    new = errors(load(content), held_out)
    if old.keys() != new.keys():
        return Verdict(rival, takes_over=bool(new.keys() - old.keys()))
    kinds = {record.key: record.kind for record in held_out}
    sides = ([key for key in new if kinds[key] == kind] for kind in get_args(Kind))
    fine = all(not_worse([new[key] for key in s], [old[key] for key in s]) for s in sides)
    return Verdict(rival, takes_over=fine)


def errors(lpnet: LPNet, records: Sequence[Record]) -> Errors:
    """How far off an LPNet is: |log(predicted / measured)| by workload, repeats averaged."""
    measured: dict[str, list[float]] = defaultdict(list)
    for record in records:
        measured[record.key].append(np.log(record.latency_ms))
    found: Errors = {}
    for key, record in {record.key: record for record in records}.items():
        try:
            bound = lpnet.bind(record.table, record.batch)
        except NotCovered:
            continue
        with torch.no_grad():
            said = float(bound(torch.zeros(0)).log())
        found[key] = abs(said - float(np.mean(measured[key])))
    return found


def not_worse(new: Sequence[float], old: Sequence[float]) -> bool:
    """Whether errors on the same workloads, in the same order, are not worse: their mean is above
    that of the old ones by at most two standard errors of the paired differences.

    A single pair says nothing of its noise, so that the plain difference decides.
    """
    if not new:
        return True
    differences = np.array(new) - np.array(old)
    count = len(differences)
    noise = differences.std(ddof=1) / np.sqrt(count) if count > 1 else 0.0
    return bool(differences.mean() <= _STANDARD_ERRORS * noise)
