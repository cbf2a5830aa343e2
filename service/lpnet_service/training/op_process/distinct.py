"""The distinct kernels of records, and how often each record runs each of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from lpnet.model.features import STATIC, required_static, with_first_static
from lpnet.model.kernel_tensors import KernelTensors
from lpnet.model.op_process.columns import features_of, type_indices
from lpnet_service.training.records import Index, RecordSet, Vector

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class DistinctKernels:
    """K distinct kernels of N records, ordered by type.

    `features` are (K, static + DYNAMIC + NEIGHBOURS), `types` (K,) as `type_indices` has them,
    `work` (3, K) FLOPs, bytes and 1. `counts` (N, K) are the kernels of each record, `log_ms` (N,)
    their latencies.
    """

    features: Matrix
    types: Index
    work: Matrix
    counts: csr_matrix
    log_ms: Vector
    static: int

    @classmethod
    def of(cls, records: RecordSet) -> DistinctKernels:
        tables = [KernelTensors.of(record.table, record.batch) for record in records.records]
        kernels = KernelTensors.cat(tables)
        every, logs = features_of(kernels)
        static = required_static(every)
        features = with_first_static(every, static).numpy()
        types = type_indices(every[:, :STATIC]).numpy()
        work = np.concatenate((logs.exp().numpy(), np.ones((1, len(types)))))
        first, number = _distinct(np.column_stack((types, features, logs.T.numpy())))
        order = np.argsort(types[first], kind="stable")
        first, position = first[order], np.argsort(order, kind="stable")
        shape = len(records), len(first)
        entries = np.ones(len(types)), (kernels.segment.numpy(), position[number])
        return cls(
            features=features[first],
            types=types[first],
            work=work[:, first],
            counts=csr_matrix(entries, shape=shape),
            log_ms=np.log(records.latency),
            static=static,
        )

    def __len__(self) -> int:
        return len(self.types)

    def by_type(self) -> list[slice]:
        """The kernels of each type that occurs."""
        starts = np.flatnonzero(np.diff(self.types, prepend=-1))
        stops = [*starts[1:].tolist(), len(self)]
        return [slice(start, stop) for start, stop in zip(starts.tolist(), stops, strict=True)]


def _distinct(rows: Matrix) -> tuple[Index, Index]:
    """The first of each distinct row (N, C), and the number of each row among these."""
    varied = np.ascontiguousarray(np.round(rows[:, np.ptp(rows, 0) > 0], 9) + 0.0)
    if not varied.shape[1]:
        return np.zeros(1, dtype=np.int64), np.zeros(len(rows), dtype=np.int64)
    whole = varied.view(np.dtype((np.void, varied.itemsize * varied.shape[1]))).ravel()
    _, first, number = np.unique(whole, return_index=True, return_inverse=True)
    return first, number.ravel()


@dataclass(frozen=True)
class Scaling:
    """Features that vary within a type: `columns` (D,), their `mean` and `scale` (D,)."""

    columns: Index
    mean: Vector
    scale: Vector

    def of(self, features: Matrix) -> Matrix:
        return np.asarray((features[:, self.columns] - self.mean) * self.scale)


# Added to the deviation of a feature, so that one that hardly varies is not scaled up to 1.
_MIN_DEVIATION = 0.05


def scaling(kernels: DistinctKernels) -> Scaling:
    """Features centred on their mean, in units of their deviation within types."""
    centred = kernels.features.copy()
    for part in kernels.by_type():
        centred[part] -= centred[part].mean(0)
    deviation = centred.std(0)
    columns = np.flatnonzero(deviation > 1e-6)
    if not len(columns):
        columns = np.zeros(1, dtype=np.int64)
    return Scaling(
        columns, kernels.features[:, columns].mean(0), 1.0 / (deviation[columns] + _MIN_DEVIATION)
    )
