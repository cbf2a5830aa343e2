"""From widths to the channels of every kernel, in one matrix product."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lpnet.model.channel_features import ABSENT
from lpnet.model.kernel_tensors import KernelTensors


class ChannelMaps(nn.Module):
    """Widths (..., L) to the channels of U kernels (..., 5, U).

    In order: c_in, c_out, the producer's c_in, the consumer's c_out, groups.
    """

    maps: Tensor
    constants: Tensor

    def __init__(self, kernels: KernelTensors) -> None:
        super().__init__()
        maps, constants = _stacked(kernels)
        self.count = kernels.count
        self.register_buffer("maps", maps.float().contiguous(), persistent=False)
        self.register_buffer("constants", constants.float().contiguous(), persistent=False)

    def forward(self, widths: Tensor) -> Tensor:
        flat = nn.functional.linear(widths, self.maps.to(widths), self.constants.to(widths))
        return flat.reshape(*widths.shape[:-1], 5, self.count)


def _stacked(kernels: KernelTensors) -> tuple[Tensor, Tensor]:
    """The slopes (5 U, L) and constants (5 U,) of all channel counts."""
    no_slope = torch.zeros(1, kernels.a_in.shape[1], dtype=kernels.a_in.dtype)
    absent = torch.full((1,), ABSENT, dtype=kernels.b_in.dtype)
    producer, consumer = kernels.producer, kernels.consumer
    maps = (
        kernels.a_in,
        kernels.a_out,
        torch.cat((kernels.a_in, no_slope))[producer],
        torch.cat((kernels.a_out, no_slope))[consumer],
        kernels.a_g,
    )
    constants = (
        kernels.b_in,
        kernels.b_out,
        torch.cat((kernels.b_in, absent))[producer],
        torch.cat((kernels.b_out, absent))[consumer],
        kernels.b_g,
    )
    return torch.cat(maps), torch.cat(constants)
