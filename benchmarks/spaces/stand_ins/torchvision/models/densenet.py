"""DenseNet."""

from collections import OrderedDict

import torch
from torch import Tensor, nn


class _Layer(nn.Module):
    def __init__(self, c_in: int, growth_rate: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(c_in)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(c_in, 4 * growth_rate, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth_rate)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(4 * growth_rate, growth_rate, 3, padding=1, bias=False)

    def forward(self, features: list[Tensor]) -> Tensor:
        y: Tensor = self.conv1(self.relu1(self.norm1(torch.cat(features, 1))))
        y = self.conv2(self.relu2(self.norm2(y)))
        return y


class _Block(nn.ModuleDict):
    def __init__(self, count: int, c_in: int, growth_rate: int) -> None:
        super().__init__()
        for index in range(count):
            self[f"denselayer{index + 1}"] = _Layer(c_in + index * growth_rate, growth_rate)

    def forward(self, x: Tensor) -> Tensor:
        features = [x]
        for layer in self.values():
            features.append(layer(features))
        return torch.cat(features, 1)


class _Transition(nn.Sequential):
    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(c_in)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(c_in, c_out, 1, bias=False)
        self.pool = nn.AvgPool2d(2, 2)


class DenseNet(nn.Module):
    def __init__(
        self,
        growth_rate: int = 32,
        block_config: tuple[int, ...] = (6, 12, 24, 16),
        num_init_features: int = 64,
        num_classes: int = 1000,
    ) -> None:
        super().__init__()
        c = num_init_features
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            conv0=nn.Conv2d(3, c, 7, 2, 3, bias=False),
            norm0=nn.BatchNorm2d(c),
            relu0=nn.ReLU(inplace=True),
            pool0=nn.MaxPool2d(3, 2, 1),
        )
        for index, count in enumerate(block_config, 1):
            layers[f"denseblock{index}"] = _Block(count, c, growth_rate)
            c += count * growth_rate
            if index < len(block_config):
                layers[f"transition{index}"] = _Transition(c, c // 2)
                c //= 2
        layers["norm5"] = nn.BatchNorm2d(c)
        self.features = nn.Sequential(layers)
        self.classifier = nn.Linear(c, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.relu(self.features(x))
        y: Tensor = self.classifier(x.mean((2, 3)))
        return y
