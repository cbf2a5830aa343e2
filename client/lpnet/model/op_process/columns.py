"""What an op process reads from the features of kernels: their types and chosen columns."""

from __future__ import annotations

import torch
from torch import Tensor

from lpnet.model.channel_features import mix
from lpnet.model.op_types import MORE_TYPES, TYPES
from lpnet.model.static_features import FIRST_STATIC

# Static features that say the type. Kernels of different types have nothing in common.
TYPE_COLUMNS = (
    *range(len(TYPES)),
    *range(FIRST_STATIC, FIRST_STATIC + len(MORE_TYPES)),
)


def type_indices(static: Tensor) -> Tensor:
    """Types (U,) of kernels as indices into TYPES + MORE_TYPES; `static` is (U, STATIC)."""
    return static[:, list(TYPE_COLUMNS)].argmax(1)


def scaled_mix(columns: Tensor, mean: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """The channel features `columns` (D,), shifted and scaled, as a mix (D, RAW) of the raw ones
    and a constant (D,)."""
    blend, shift = mix()
    constant = (shift.to(mean)[columns] - mean) * scale
    return blend.to(scale)[columns] * scale[:, None], constant


def is_static(columns: Tensor, static: int) -> Tensor:
    """Which columns (D,) of `static` static and DYNAMIC channel features are static."""
    return torch.as_tensor(columns < static)
