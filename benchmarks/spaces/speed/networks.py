"""The networks whose spaces are timed: ResNet-50, and two of about 1,000 ops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lpnet.zoo.densenet import DenseNet
from lpnet.zoo.resnet import resnet50
from lpnet.zoo.vit import VisionTransformer


@dataclass(frozen=True)
class Network:
    """A network, and the seconds that its space may take: in all, and lpnet's own."""

    name: str
    build: Callable[[], nn.Module]
    max_s: float
    max_own_s: float | None = None


def _deep_densenet() -> nn.Module:
    return DenseNet((6, 12, 64, 80))


def _deep_transformer() -> nn.Module:
    return VisionTransformer(depth=38)


NETWORKS = (
    Network("ResNet-50", resnet50, 15.0, 2.0),
    Network("DenseNet of 162 dense layers", _deep_densenet, 60.0),
    Network("vision transformer of 38 blocks", _deep_transformer, 60.0),
)


def build(name: str) -> tuple[nn.Module, Tensor]:
    """A network in evaluation mode with random weights, and an image of 224x224 pixels."""
    network = next(network for network in NETWORKS if network.name == name)
    torch.manual_seed(0)
    return network.build().eval(), torch.randn(1, 3, 224, 224)
