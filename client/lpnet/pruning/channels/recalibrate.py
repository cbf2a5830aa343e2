"""BatchNorm statistics of a network whose channels or gates have changed."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

_Norm = nn.modules.batchnorm._BatchNorm


def recalibrate(model: nn.Module, inputs: Iterable[Tensor]) -> int:
    """Replace the running statistics of every BatchNorm by the mean over batches of inputs.

    Nothing else of the model changes, not even its modes; gradients are not computed. Without a
    batch the statistics stay as they are. Returns the number of batches.
    """
    norms = [m for m in model.modules() if isinstance(m, _Norm) and m.track_running_stats]
    momenta = [norm.momentum for norm in norms]
    modes = {module: module.training for module in model.modules()}
    batches = 0
    try:
        model.eval()
        for norm in norms:
            norm.train()
        with torch.no_grad():
            for batch in inputs:
                if not batches:
                    for norm in norms:
                        norm.reset_running_stats()
                        norm.momentum = None  # a mean over all batches, equally weighted
                model(batch)
                batches += 1
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for module, training in modes.items():
            module.training = training
    return batches
