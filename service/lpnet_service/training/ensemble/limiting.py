"""The limits of an ensemble's prices, from those of the kernels that it was fitted to."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor

from lpnet.model.ensemble import Ensemble
from lpnet.model.ensemble.limits import Limits, type_index
from lpnet_service.training.ensemble.inputs import KernelInputs
from lpnet_service.training.records import Mask

# Stands for a rate of nothing, whose log would be infinite.
_MIN_RATE = 1e-30


def limit(ensemble: Ensemble, inputs: KernelInputs, held_out: Mask) -> Ensemble:
    """Set the limits of an ensemble that was fitted to these records.

    Member m was not fitted to records where `held_out[m]` (M, N) is true. Types of kernel that no
    record has stay without limits.
    """
    types, logs = type_index(inputs.features), inputs.logs.float()
    standardised = ensemble.standardised(inputs.features).float()
    log_terms = ensemble.log_terms(ensemble.hidden(standardised), logs)
    log_prices = log_terms.logsumexp(-2)
    mean = log_prices.logsumexp(0) - np.log(len(log_prices))
    for number in np.unique(types.numpy()).tolist():
        of_type = types == number
        ensemble.rates[:, number] = _log_rates(mean[of_type], logs[:, of_type])
    roofline = Limits(ensemble.rates, ensemble.low, ensemble.high).at(types)
    ratio = roofline.ratio(log_terms, logs)
    fitted = ~torch.from_numpy(held_out)[:, inputs.segment()]
    for number in np.unique(types.numpy()).tolist():
        for member in range(ensemble.header.members):
            own = ratio[member, (types == number) & fitted[member]]
            if len(own):
                ensemble.low[member, number] = own.min()
                ensemble.high[member, number] = own.max()
    return ensemble


def _log_rates(log_prices: Tensor, logs: Tensor) -> Tensor:
    """Logs (2,) of ms per FLOP and per byte, fitted to the logs of prices (U,) by the relative
    error; `logs` (2, U) are those of FLOPs and bytes."""
    work = (logs - log_prices).double().exp().numpy().T
    scale = work.max(0)
    rates = nnls(work / scale, np.ones(len(work)))[0] / scale
    return torch.from_numpy(np.log(np.maximum(rates, _MIN_RATE)))
