"""All features of a kernel: the static ones, then those of its channels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lpnet.model.channel_features import ABSENT, DYNAMIC, mix, rarely_relevant, raw, steps_like
from lpnet.model.kernel_tensors import KernelTensors
from lpnet.model.static_features import CONTEXT, FIRST_STATIC, STATIC, STATIC_SIZES

__all__ = [
    "DYNAMIC",
    "STATIC",
    "STATIC_SIZES",
    "feature_scales",
    "features_of",
    "require_computed",
    "required_static",
    "with_first_static",
]


def features_of(kernels: KernelTensors) -> tuple[Tensor, Tensor]:
    """Features (U, STATIC + DYNAMIC) of tables without widths, and the logs (2, U) of FLOPs and
    bytes; float64."""
    pad = nn.functional.pad
    before = pad(kernels.b_in, (0, 1), value=ABSENT)[kernels.producer]
    after = pad(kernels.b_out, (0, 1), value=ABSENT)[kernels.consumer]
    stack = torch.stack((kernels.b_in, kernels.b_out, before, after, kernels.b_g))
    computed = raw(kernels.cost, stack, steps_like(stack))
    weights, shift = mix()
    return torch.cat((kernels.static, (weights @ computed).T + shift), 1), computed[-2:]


def with_first_static(features: Tensor, static: int) -> Tensor:
    """Features (U, STATIC + DYNAMIC) without the last static ones: (U, static + DYNAMIC)."""
    return torch.cat((features[:, :static], features[:, STATIC:]), 1)


def required_static(features: Tensor) -> int:
    """The smallest of STATIC_SIZES that loses nothing of these features.

    An lpnet that computes fewer features can read a model that is trained without the others.
    """
    return STATIC if bool(features[:, FIRST_STATIC:STATIC].any()) else FIRST_STATIC


def require_computed(static: int, dynamic: int) -> None:
    """Raises ValueError for numbers of features that this lpnet does not compute."""
    if static not in STATIC_SIZES or dynamic != DYNAMIC:
        sizes = " or ".join(str(size) for size in STATIC_SIZES)
        raise ValueError(
            f"trained on {static} static and {dynamic} channel features, this lpnet computes "
            f"{sizes} and {DYNAMIC}: train again"
        )


def feature_scales(static: int = STATIC) -> Tensor:
    """The prior of each standardised feature (static + DYNAMIC,): how strongly it may act.

    A kernel's neighbours, and steps wider than a vector register, rarely matter. They need more
    evidence; with equal scales they would explain small sets of samples.
    """
    scale = torch.ones(static + DYNAMIC)
    scale[FIRST_STATIC - CONTEXT : FIRST_STATIC] = 0.3
    scale[static:][torch.tensor(rarely_relevant())] = 0.1
    return scale
