"""Blocks without a network: `hidden` channels between a fixed input and a fixed output."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from lpnet.errors import SpaceError
from lpnet.zoo.mobilenet_v3 import SqueezeExcite, conv_norm
from lpnet.zoo.vit import Attention, Mlp

Block = tuple[nn.Module, Tensor]


class MBConv(nn.Module):
    """1x1 expand, depthwise, squeeze-excite if `squeeze`, 1x1 project, and a shortcut."""

    def __init__(self, channels: int, hidden: int, kernel: int, squeeze: bool) -> None:
        super().__init__()
        self.expand = conv_norm(channels, hidden, 1, activation=nn.SiLU)
        self.depthwise = conv_norm(hidden, hidden, kernel, groups=hidden, activation=nn.SiLU)
        self.squeeze = (
            SqueezeExcite(hidden, max(1, channels // 4), nn.SiLU, nn.Sigmoid)
            if squeeze
            else nn.Identity()
        )
        self.project = conv_norm(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        out = self.squeeze(self.depthwise(self.expand(x)))
        return x + self.project(out)  # type: ignore[no-any-return]


class SwiGLU(nn.Module):
    """The feed-forward layer of LLaMA (Shazeer, arXiv 2002.05202)."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(channels, hidden, bias=False)
        self.up_proj = nn.Linear(channels, hidden, bias=False)
        self.down_proj = nn.Linear(hidden, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))  # type: ignore[no-any-return]


def conv(*, channels: int, hidden: int, side: int, kernel: int = 3, batch: int = 1) -> Block:
    """Two convs, the first with BatchNorm and ReLU."""
    module = nn.Sequential(
        conv_norm(channels, hidden, kernel, activation=nn.ReLU),
        conv_norm(hidden, channels, kernel),
    )
    return module, _images(batch, channels, side)


def dwconv(*, channels: int, hidden: int, side: int, kernel: int = 3, batch: int = 1) -> Block:
    """A depthwise conv between two 1x1 convs, with BatchNorm and ReLU."""
    module = nn.Sequential(
        conv_norm(channels, hidden, 1, activation=nn.ReLU),
        conv_norm(hidden, hidden, kernel, groups=hidden, activation=nn.ReLU),
        conv_norm(hidden, channels, 1),
    )
    return module, _images(batch, channels, side)


def mbconv(
    *,
    channels: int,
    hidden: int,
    side: int,
    kernel: int = 3,
    squeeze: bool = False,
    batch: int = 1,
) -> Block:
    """The block of EfficientNet, optionally with squeeze-excite."""
    return MBConv(channels, hidden, kernel, squeeze), _images(batch, channels, side)


def linear(*, channels: int, hidden: int, tokens: int, batch: int = 1) -> Block:
    """Two linear layers."""
    module = nn.Sequential(nn.Linear(channels, hidden), nn.Linear(hidden, channels))
    return module, torch.zeros(batch, tokens, channels)


def ffn(*, channels: int, hidden: int, tokens: int, norm: bool = False, batch: int = 1) -> Block:
    """Two linear layers with GELU between them, optionally after LayerNorm."""
    module: nn.Module = Mlp(channels, hidden)
    if norm:
        module = nn.Sequential(OrderedDict(norm=nn.LayerNorm(channels), mlp=module))
    return module, torch.zeros(batch, tokens, channels)


def swiglu(*, channels: int, hidden: int, tokens: int, batch: int = 1) -> Block:
    """Two linear layers whose product goes through a third."""
    return SwiGLU(channels, hidden), torch.zeros(batch, tokens, channels)


def attention(
    *, channels: int, heads: int, tokens: int, head_dim: int = 64, batch: int = 1
) -> Block:
    """Self-attention with its projections."""
    return Attention(channels, heads, head_dim), torch.zeros(batch, tokens, channels)


BUILDERS: dict[str, Callable[..., Block]] = {
    builder.__name__: builder for builder in (conv, dwconv, mbconv, linear, ffn, swiglu, attention)
}


def build(kind: str, **sizes: int) -> Block:
    """A block with random weights, and an input of zeros for it.

    The sizes of a kind are the parameters of its function in this module. Images are (batch,
    channels, side, side), tokens (batch, tokens, channels). Raises SpaceError for an unknown
    kind, for a size that is missing, unknown or not positive, and for an even kernel.
    """
    if kind not in BUILDERS:
        raise SpaceError(f"no block is called {kind!r}; there are {', '.join(BUILDERS)}")
    signature = inspect.signature(BUILDERS[kind])
    try:
        signature.bind(**sizes)
    except TypeError as error:
        raise SpaceError(
            f"{kind}: {error}; its sizes are {', '.join(signature.parameters)}"
        ) from None
    for name, size in sizes.items():
        if size < 1 and not isinstance(size, bool):
            raise SpaceError(f"{kind}: {name} must be at least 1, got {size}")
        if name == "kernel" and size % 2 == 0:
            raise SpaceError(f"{kind}: kernel must be odd, got {size}")
    return BUILDERS[kind](**sizes)


def _images(batch: int, channels: int, side: int) -> Tensor:
    return torch.zeros(batch, channels, side, side)
