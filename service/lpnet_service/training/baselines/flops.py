"""FLOPs-linear: latency is a + b FLOPs, by least squares on the relative error."""

from __future__ import annotations

import numpy as np

from lpnet_service.training.baselines.task import NotApplicable, Task
from lpnet_service.training.records import Record, Vector


def flops_linear(task: Task) -> Vector:
    """Counts the FLOPs of conv and linear ops. Raises NotApplicable if there are none, or fewer
    than two samples."""
    if len(task.training) < 2:
        raise NotApplicable(f"only {len(task.training)} samples to train on")
    training = np.array([flops(record) for record in task.training])
    if not training.any():
        raise NotApplicable("no conv or linear op in the training samples")
    unit = training.max()
    design = np.stack((training / unit, np.ones_like(training)), 1) / task.latency[:, None]
    slope, constant = np.linalg.lstsq(design, np.ones(len(training)), rcond=None)[0]
    test = np.array([flops(record) for record in task.test])
    return np.asarray(slope * test / unit + constant)


def flops(record: Record) -> float:
    return 2.0 * record.batch * float(record.table.macs(np.zeros(0)))
