"""Well-known networks with random weights, and their spaces.

Module paths are those of torchvision, so that width names look familiar.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import TYPE_CHECKING

from lpnet.errors import MissingExtra, SpaceError
from lpnet.space.space import Space

if TYPE_CHECKING:
    from torch import nn

# Module, function, and side of the input.
_PLAIN: dict[str, tuple[str, str, int]] = {
    "resnet20": ("lpnet.zoo.resnet", "resnet20", 32),
    "resnet34": ("lpnet.zoo.resnet", "resnet34", 224),
    "resnet50": ("lpnet.zoo.resnet", "resnet50", 224),
    "vgg16_bn": ("lpnet.zoo.vgg", "vgg16_bn", 224),
    "mobilenet_v2": ("lpnet.zoo.mobilenet", "mobilenet_v2", 224),
    "mobilenet_v2_32": ("lpnet.zoo.mobilenet", "mobilenet_v2_32", 32),
}
_SOURCES = _PLAIN | {
    "mobilenet_v3_small": ("lpnet.zoo.mobilenet_v3", "mobilenet_v3_small", 224),
    "densenet121": ("lpnet.zoo.densenet", "densenet121", 224),
    "preact_resnet20": ("lpnet.zoo.preact_resnet", "preact_resnet20", 32),
    "resnext50_32x4d": ("lpnet.zoo.resnet", "resnext50_32x4d", 224),
    "shufflenet_v2_x1_0": ("lpnet.zoo.shufflenet", "shufflenet_v2_x1_0", 224),
    "yolo_n": ("lpnet.zoo.yolo", "yolo_n", 640),
    "yolo_n_decoded": ("lpnet.zoo.yolo", "yolo_n_decoded", 640),
    "unet": ("lpnet.zoo.unet", "unet", 128),
    "vit_tiny": ("lpnet.zoo.vit", "vit_tiny", 224),
    "vit_tiny_32": ("lpnet.zoo.vit", "vit_tiny_32", 32),
}
NAMES = tuple(_SOURCES)
# Classifiers of convs, pools and adds only.
PLAIN = tuple(_PLAIN)


def model(name: str) -> nn.Module:
    """A new network of the zoo, in training mode, with random weights.

    Raises SpaceError for a name that is not in NAMES, and MissingExtra without torch.
    """
    module, factory, _ = _source(name)
    _require_torch()
    built: nn.Module = getattr(importlib.import_module(module), factory)()
    return built


def side(name: str) -> int:
    """Side of the square input of a network of the zoo, in pixels."""
    return _source(name)[2]


@cache
def space(name: str) -> Space:
    """The space of a network of the zoo, at batch size 1. Cached.

    Raises SpaceError for a name that is not in NAMES, and MissingExtra without torch.
    """
    _source(name)
    _require_torch()
    import torch

    with torch.random.fork_rng(devices=[]):
        network = model(name)
    return Space.from_model(network, torch.zeros(1, 3, side(name), side(name)), name=name)


def block(kind: str, **sizes: int) -> Space:
    """The space of a block without a network: `hidden` channels between a fixed input and output.

    Kinds are conv, dwconv and mbconv (sizes channels, hidden, side, and optionally kernel; mbconv
    also squeeze), linear, ffn and swiglu (channels, hidden, tokens; ffn also norm), and attention
    (channels, heads, tokens, and optionally head_dim). All take batch. The first width is the
    hidden one, whose max comes from `hidden`, or from the heads.

    Raises SpaceError for an unknown kind or a wrong size, and MissingExtra without torch.
    """
    _require_torch()
    import torch

    from lpnet.zoo import blocks

    with torch.random.fork_rng(devices=[]):
        module, example = blocks.build(kind, **sizes)
    return Space.from_model(module, example, name=kind)


def _require_torch() -> None:
    try:
        import torch  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtra("lpnet.zoo", "client", "torch") from error


def _source(name: str) -> tuple[str, str, int]:
    try:
        return _SOURCES[name]
    except KeyError:
        raise SpaceError(f"the zoo has no {name!r}; it has {', '.join(NAMES)}") from None
