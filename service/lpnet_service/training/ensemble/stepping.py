"""What a step of the fit computes: all members at once, each distinct kernel once.

Records share many kernels, and many features are the same in all of them. So a step takes a third
of the time that it would take with every kernel and feature.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from lpnet.model.ensemble import Ensemble
from lpnet_service.training.ensemble.inputs import KernelInputs


@dataclass(frozen=True)
class FitInputs:
    """N records of U kernels, K of them distinct.

    `features` (F, K) are the standardised features that vary, `logs` (2, K) of FLOPs and bytes.
    Kernel `number` (U,) belongs to record `segment` (U,), whose log of ms is `target` (N,).
    """

    features: Tensor
    logs: Tensor
    number: Tensor
    segment: Tensor
    target: Tensor

    @classmethod
    def of(cls, ensemble: Ensemble, inputs: KernelInputs) -> Self:
        standardised = ensemble.standardised(inputs.features)[:, ensemble.scale > 0]
        rows = torch.cat((standardised, inputs.logs.T), 1).float().numpy()
        # Adding 0 makes -0 equal to 0.
        rows = np.ascontiguousarray(rows + 0.0)
        whole = rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1]))).ravel()
        _, first, number = np.unique(whole, return_index=True, return_inverse=True)
        distinct = torch.from_numpy(rows[first].T.copy())
        return cls(
            features=distinct[:-2],
            logs=distinct[-2:],
            number=torch.from_numpy(number.ravel()),
            segment=inputs.segment(),
            target=torch.from_numpy(np.log(inputs.latency)).float(),
        )

    @property
    def kernels(self) -> int:
        """The number of distinct kernels."""
        return int(self.logs.shape[1])

    def pick(self, chosen: Tensor) -> Self:
        """Some records, and the kernels that they have."""
        position = torch.full((len(self.target),), -1)
        position[chosen] = torch.arange(len(chosen))
        segment = position[self.segment]
        own = segment >= 0
        used, number = torch.unique(self.number[own], return_inverse=True)
        return type(self)(
            features=self.features[:, used],
            logs=self.logs[:, used],
            number=number,
            segment=segment[own],
            target=self.target[chosen],
        )


class Layers(nn.Module):
    """The parameters of an ensemble, without those of features that do not vary.

    They are transposed, so that kernels lie along the last axis, and the first layers of all
    members are one product.
    """

    w1: Tensor
    b1: Tensor
    w2: Tensor
    b2: Tensor
    w3: Tensor
    b3: Tensor

    def __init__(self, ensemble: Ensemble) -> None:
        super().__init__()
        w1 = ensemble.w1.detach()[:, ensemble.scale > 0]
        self.w1 = nn.Parameter(w1.mT.flatten(0, 1).contiguous())
        self.b1 = nn.Parameter(ensemble.b1.detach().reshape(-1, 1).clone())
        for name in ("w2", "b2", "w3", "b3"):
            own = getattr(ensemble, name).detach().mT.contiguous()
            setattr(self, name, nn.Parameter(own.clone()))

    def error(self, inputs: FitInputs) -> Tensor:
        """Log of predicted over measured, (M, N)."""
        silu = nn.functional.silu
        first = silu(torch.addmm(self.b1, self.w1, inputs.features))
        by_member = first.reshape(len(self.w2), -1, inputs.kernels)
        hidden = silu(torch.baddbmm(self.b2, self.w2, by_member))
        terms = torch.exp(torch.baddbmm(self.b3, self.w3, hidden) + inputs.logs)
        prices = terms.sum(1).index_select(1, inputs.number)
        total = torch.zeros(len(self.w2), len(inputs.target)).index_add(1, inputs.segment, prices)
        return torch.log(total) - inputs.target

    def write(self, ensemble: Ensemble) -> None:
        """Set the parameters of the ensemble; the others become 0."""
        with torch.no_grad():
            members, hidden = ensemble.header.members, ensemble.header.hidden
            ensemble.w1.zero_()
            ensemble.w1[:, ensemble.scale > 0] = self.w1.reshape(members, hidden, -1).mT
            ensemble.b1.copy_(self.b1.reshape(members, 1, hidden))
            for name in ("w2", "b2", "w3", "b3"):
                getattr(ensemble, name).copy_(getattr(self, name).mT)
