"""Layers."""

from torch import nn

from .misc import FrozenBatchNorm2d

__all__ = ["DeformConv2d", "FrozenBatchNorm2d"]


class DeformConv2d(nn.Module):
    """A name to import; no family in the catalogue builds one."""

    def __init__(self, *_: object, **__: object) -> None:
        raise NotImplementedError("the stand-in for torchvision has no DeformConv2d")
