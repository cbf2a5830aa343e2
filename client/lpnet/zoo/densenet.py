"""Densely connected networks (Huang et al., arXiv 1608.06993)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class DenseLayer(nn.Module):
    """1x1 and 3x3 conv after BatchNorm and ReLU; `growth` channels are appended to the input."""

    def __init__(self, c_in: int, growth: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(c_in)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(c_in, 4 * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv1(self.relu1(self.norm1(x)))
        out = self.conv2(self.relu2(self.norm2(out)))
        return torch.cat((x, out), 1)


class DenseNet(nn.Module):
    """Blocks with `depths` dense layers; between two blocks channels and size are halved."""

    def __init__(
        self, depths: Sequence[int], *, growth: int = 32, stem: int = 64, classes: int = 1000
    ) -> None:
        super().__init__()
        features: OrderedDict[str, nn.Module] = OrderedDict(
            conv0=nn.Conv2d(3, stem, 7, stride=2, padding=3, bias=False),
            norm0=nn.BatchNorm2d(stem),
            relu0=nn.ReLU(inplace=True),
            pool0=nn.MaxPool2d(3, stride=2, padding=1),
        )
        channels = stem
        for index, depth in enumerate(depths, 1):
            if index > 1:
                features[f"transition{index - 1}"] = _transition(channels)
                channels //= 2
            features[f"denseblock{index}"] = nn.Sequential(
                OrderedDict(
                    (f"denselayer{layer + 1}", DenseLayer(channels + layer * growth, growth))
                    for layer in range(depth)
                )
            )
            channels += depth * growth
        features["norm5"] = nn.BatchNorm2d(channels)
        self.features = nn.Sequential(features)
        self.relu = nn.ReLU(inplace=True)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.features(x))
        return self.classifier(self.avgpool(x).flatten(1))  # type: ignore[no-any-return]


def _transition(channels: int) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            norm=nn.BatchNorm2d(channels),
            relu=nn.ReLU(inplace=True),
            conv=nn.Conv2d(channels, channels // 2, 1, bias=False),
            pool=nn.AvgPool2d(2),
        )
    )


def densenet121() -> DenseNet:
    return DenseNet((6, 12, 24, 16))
