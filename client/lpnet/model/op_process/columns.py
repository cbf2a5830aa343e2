"""What an op process reads from the features of kernels: their types and chosen columns."""

from __future__ import annotations

import torch
from torch import Tensor

from lpnet.model import features
from lpnet.model.channel_features import RAW, mix
from lpnet.model.channel_maps import ChannelMaps
from lpnet.model.features import STATIC
from lpnet.model.kernel_tensors import KernelTensors
from lpnet.model.op_types import MORE_TYPES, TYPES
from lpnet.model.static_features import FIRST_STATIC

# Static features that say the type. Kernels of different types have nothing in common.
TYPE_COLUMNS = (
    *range(len(TYPES)),
    *range(FIRST_STATIC, FIRST_STATIC + len(MORE_TYPES)),
)
# After the channel features that other kinds use: the logs of the producer's c_in and of the
# consumer's c_out, which are among the raw ones.
NEIGHBOURS = 2
_RAW_NEIGHBOURS = (RAW - 5, RAW - 4)
# The prior of how strongly they may act, like that of a kernel's other neighbour features.
_NEIGHBOUR_SCALE = 0.3


def type_indices(static: Tensor) -> Tensor:
    """Types (U,) of kernels as indices into TYPES + MORE_TYPES; `static` is (U, STATIC)."""
    return static[:, list(TYPE_COLUMNS)].argmax(1)


def features_of(kernels: KernelTensors) -> tuple[Tensor, Tensor]:
    """Features (U, STATIC + DYNAMIC + NEIGHBOURS) of tables without widths, and the logs (2, U) of
    FLOPs and bytes; float64."""
    own, logs = features.features_of(kernels)
    neighbours = ChannelMaps(kernels)(torch.zeros(0).double())[2:4]
    return torch.cat((own, torch.log(neighbours).T), 1), logs


def feature_scales(static: int = STATIC) -> Tensor:
    """The prior of each standardised feature (static + DYNAMIC + NEIGHBOURS,)."""
    own = features.feature_scales(static)
    return torch.cat((own, torch.full((NEIGHBOURS,), _NEIGHBOUR_SCALE)))


def scaled_mix(columns: Tensor, mean: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """The channel features `columns` (D,), shifted and scaled, as a mix (D, RAW) of the raw ones
    and a constant (D,)."""
    blend, shift = _mix()
    constant = (shift.to(mean)[columns] - mean) * scale
    return blend.to(scale)[columns] * scale[:, None], constant


def is_static(columns: Tensor, static: int) -> Tensor:
    """Which columns (D,) of `static` static features and the channel features are static."""
    return torch.as_tensor(columns < static)


def _mix() -> tuple[Tensor, Tensor]:
    """Channel features as a mix (DYNAMIC + NEIGHBOURS, RAW) of the raw ones, and a constant."""
    weights, shift = mix()
    neighbours = torch.zeros(NEIGHBOURS, RAW).double()
    neighbours[range(NEIGHBOURS), _RAW_NEIGHBOURS] = 1.0
    return torch.cat((weights, neighbours)), torch.cat((shift, torch.zeros(NEIGHBOURS).double()))
