"""ShuffleNetV2 (Ma et al., arXiv 1807.11164)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def _pointwise(c_in: int, c_out: int) -> list[nn.Module]:
    return [
        nn.Conv2d(c_in, c_out, 1, bias=False),
        nn.BatchNorm2d(c_out),
        nn.ReLU(inplace=True),
    ]


def _depthwise(channels: int, stride: int) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, channels, 3, stride, padding=1, groups=channels, bias=False),
        nn.BatchNorm2d(channels),
    ]


def shuffle(x: Tensor) -> Tensor:
    """Channels of the first and the second half in turn."""
    return torch.unflatten(x, 1, (2, -1)).transpose(1, 2).flatten(1, 2)


class ShuffleUnit(nn.Module):
    """1x1, depthwise 3x3, 1x1 on half of the channels. With stride 2 both halves are computed
    from the whole input."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        half = c_out // 2
        self.branch1 = nn.Sequential(
            *([*_depthwise(c_in, stride), *_pointwise(c_in, half)] if stride > 1 else [])
        )
        self.branch2 = nn.Sequential(
            *_pointwise(c_in if stride > 1 else half, half),
            *_depthwise(half, stride),
            *_pointwise(half, half),
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.stride > 1:
            return shuffle(torch.cat((self.branch1(x), self.branch2(x)), 1))
        # Not `chunk`: in a pruned network what passes and what branch2 reads differ in size.
        read: int = self.branch2[0].in_channels  # type: ignore[assignment]
        return shuffle(torch.cat((x[:, :-read], self.branch2(x[:, -read:])), 1))


class ShuffleNetV2(nn.Module):
    """Stages with `channels` channels and `depths` units, then a 1x1 conv to `last` channels."""

    def __init__(
        self,
        depths: Sequence[int],
        channels: Sequence[int],
        *,
        stem: int = 24,
        last: int = 1024,
        classes: int = 1000,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(
            nn.Conv2d(3, stem, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(stem),
            nn.ReLU(inplace=True),
        )
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.stages = [f"stage{index + 2}" for index in range(len(depths))]
        c_in = stem
        for name, depth, c_out in zip(self.stages, depths, channels, strict=True):
            units = [ShuffleUnit(c_in, c_out, stride=2)]
            units += [ShuffleUnit(c_out, c_out, stride=1) for _ in range(depth - 1)]
            self.add_module(name, nn.Sequential(*units))
            c_in = c_out
        self.conv5 = nn.Sequential(*_pointwise(c_in, last))
        self.fc = nn.Linear(last, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.conv1(x))
        for name in self.stages:
            x = self.get_submodule(name)(x)
        return self.fc(self.conv5(x).mean((2, 3)))  # type: ignore[no-any-return]


def shufflenet_v2_x1_0() -> ShuffleNetV2:
    return ShuffleNetV2((4, 8, 4), (116, 232, 464))
