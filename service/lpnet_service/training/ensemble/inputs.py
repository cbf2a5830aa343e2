"""Records as the inputs of an ensemble: the features of all their kernels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lpnet.model.features import features_of
from lpnet.model.kernel_tensors import KernelTensors
from lpnet_service.training.records import Index, RecordSet, Vector


@dataclass(frozen=True)
class KernelInputs:
    """The kernels of N records, one record after the other.

    `features` (U, STATIC + DYNAMIC) and `logs` (2, U), of FLOPs and bytes; those of record i are
    `bounds[i]` to `bounds[i + 1]`. `latency` (N,) in ms.
    """

    features: Tensor
    logs: Tensor
    bounds: Index
    latency: Vector

    @classmethod
    def of(cls, records: RecordSet) -> KernelInputs:
        parts = [KernelTensors.of(record.table, record.batch) for record in records.records]
        features, logs = features_of(KernelTensors.cat(parts))
        bounds = np.cumsum([0, *(part.count for part in parts)])
        return cls(features, logs, bounds, records.latency)

    def __len__(self) -> int:
        return len(self.latency)

    def pick(self, chosen: Index) -> KernelInputs:
        counts = np.diff(self.bounds)[chosen]
        kernels = torch.from_numpy(
            np.concatenate([np.arange(self.bounds[i], self.bounds[i + 1]) for i in chosen])
            if len(chosen)
            else np.zeros(0, dtype=np.int64)
        )
        return KernelInputs(
            features=self.features[kernels],
            logs=self.logs[:, kernels],
            bounds=np.cumsum([0, *counts]),
            latency=self.latency[chosen],
        )

    def segment(self) -> Tensor:
        """Which record each kernel belongs to, (U,)."""
        counts = torch.from_numpy(np.diff(self.bounds))
        return torch.repeat_interleave(torch.arange(len(self)), counts)
