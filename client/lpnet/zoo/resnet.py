"""Residual networks (He et al., arXiv 1512.03385) for ImageNet and, with three stages, CIFAR.

And ResNeXt (Xie et al., arXiv 1611.05431), whose 3x3 convs are grouped.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class BasicBlock(nn.Module):
    """Two 3x3 convs and a shortcut."""

    expansion = 1

    def __init__(self, c_in: int, planes: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, planes, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = _shortcut(c_in, planes, stride)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return self.relu(out + self.downsample(x))  # type: ignore[no-any-return]


class Bottleneck(nn.Module):
    """1x1, 3x3 (which holds the stride), 1x1, and a shortcut."""

    expansion = 4
    widening = 1
    groups = 1

    def __init__(self, c_in: int, planes: int, stride: int) -> None:
        super().__init__()
        hidden, c_out = planes * self.widening, planes * self.expansion
        self.conv1 = nn.Conv2d(c_in, hidden, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(hidden)
        self.conv2 = nn.Conv2d(
            hidden, hidden, 3, stride, padding=1, groups=self.groups, bias=False
        )
        self.bn2 = nn.BatchNorm2d(hidden)
        self.conv3 = nn.Conv2d(hidden, c_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(c_out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(c_in, c_out, stride)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return self.relu(out + self.downsample(x))  # type: ignore[no-any-return]


class ResNeXtBottleneck(Bottleneck):
    """A bottleneck of twice the channels, in 32 groups: 4 a group in the first stage."""

    widening = 2
    groups = 32


def _shortcut(c_in: int, c_out: int, stride: int) -> nn.Module:
    # A 1x1 conv if the shape changes. The parameter-free shortcut of the CIFAR networks pads with
    # zeros, which would couple the channels of successive stages.
    if stride == 1 and c_in == c_out:
        return nn.Identity()
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, 1, stride, bias=False),
        nn.BatchNorm2d(c_out),
    )


class ResNet(nn.Module):
    """A residual network with `depths` blocks per stage.

    The first stage has `planes` planes, and each further one twice as many. `cifar` has a 3x3 stem
    without pooling, for 32x32 images.
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        depths: Sequence[int],
        *,
        planes: int = 64,
        classes: int = 1000,
        cifar: bool = False,
    ) -> None:
        super().__init__()
        self.conv1 = (
            nn.Conv2d(3, planes, 3, padding=1, bias=False)
            if cifar
            else nn.Conv2d(3, planes, 7, stride=2, padding=3, bias=False)
        )
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.Identity() if cifar else nn.MaxPool2d(3, stride=2, padding=1)
        channels = planes
        self.stages = [f"layer{index + 1}" for index in range(len(depths))]
        for index, (name, depth) in enumerate(zip(self.stages, depths, strict=True)):
            width = planes * 2**index
            layers = [block(channels, width, stride=1 if index == 0 else 2)]
            channels = width * block.expansion
            layers += [block(channels, width, stride=1) for _ in range(depth - 1)]
            self.add_module(name, nn.Sequential(*layers))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for name in self.stages:
            x = self.get_submodule(name)(x)
        return self.fc(self.avgpool(x).flatten(1))  # type: ignore[no-any-return]


def resnet20() -> ResNet:
    return ResNet(BasicBlock, (3, 3, 3), planes=16, classes=10, cifar=True)


def resnet34() -> ResNet:
    return ResNet(BasicBlock, (3, 4, 6, 3))


def resnet50() -> ResNet:
    return ResNet(Bottleneck, (3, 4, 6, 3))


def resnext50_32x4d() -> ResNet:
    return ResNet(ResNeXtBottleneck, (3, 4, 6, 3))
