"""FLOPs-linear: latency is a + b FLOPs, by least squares on the relative error."""

from __future__ import annotations

import numpy as np

from lpnet_service.training.baselines.task import Impossible, Task
from lpnet_service.training.records import Record, Vector


def flops_linear(task: Task) -> Vector:
    """FLOPs are those of conv and linear ops. Raises Impossible where none has any, or for fewer
    than two samples."""
    if len(task.training) < 2:
        raise Impossible(f"only {len(task.training)} samples to learn from")
    seen = np.array([flops(record) for record in task.training])
    if not seen.any():
        raise Impossible("no conv or linear op in what was learnt from")
    unit = seen.max()
    sides = np.stack((seen / unit, np.ones_like(seen)), 1) / task.latency[:, None]
    slope, constant = np.linalg.lstsq(sides, np.ones(len(seen)), rcond=None)[0]
    asked = np.array([flops(record) for record in task.judged])
    return np.asarray(slope * asked / unit + constant)


def flops(record: Record) -> float:
    """FLOPs of one run of a record's workload."""
    return 2.0 * record.batch * float(record.table.macs(np.zeros(0)))
