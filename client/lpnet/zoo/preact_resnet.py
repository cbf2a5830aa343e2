"""Pre-activation residual networks (He et al., arXiv 1603.05027) for the images of CIFAR."""

from __future__ import annotations

from torch import Tensor, nn


class PreActBlock(nn.Module):
    """Two 3x3 convs, each after BatchNorm and ReLU, and a shortcut that nothing follows."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(c_in)
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = (
            None
            if stride == 1 and c_in == c_out
            else nn.Conv2d(c_in, c_out, 1, stride, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        active = self.relu(self.bn1(x))
        out: Tensor = self.conv2(self.relu(self.bn2(self.conv1(active))))
        return out + (x if self.downsample is None else self.downsample(active))


class PreActResNet(nn.Module):
    """Three stages of `depth` blocks; each stage has twice the channels of the one before."""

    def __init__(self, depth: int, planes: int = 16, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, planes, 3, padding=1, bias=False)
        self.layer1 = _stage(planes, planes, depth, stride=1)
        self.layer2 = _stage(planes, 2 * planes, depth, stride=2)
        self.layer3 = _stage(2 * planes, 4 * planes, depth, stride=2)
        self.bn = nn.BatchNorm2d(4 * planes)
        self.relu = nn.ReLU(inplace=True)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(4 * planes, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer3(self.layer2(self.layer1(self.conv1(x))))
        return self.fc(self.avgpool(self.relu(self.bn(x))).flatten(1))  # type: ignore[no-any-return]


def _stage(c_in: int, c_out: int, depth: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        PreActBlock(c_in, c_out, stride),
        *(PreActBlock(c_out, c_out, stride=1) for _ in range(depth - 1)),
    )


def preact_resnet20() -> PreActResNet:
    return PreActResNet(depth=3)
