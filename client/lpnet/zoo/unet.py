"""U-Net (Ronneberger et al., arXiv 1505.04597) with BatchNorm and padded convs."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn


def _double_conv(c_in: int, c_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(c_out),
        nn.ReLU(inplace=True),
        nn.Conv2d(c_out, c_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(c_out),
        nn.ReLU(inplace=True),
    )


class UNet(nn.Module):
    """Scores for each pixel. The sides of an image are multiples of 2 to the power `depth`."""

    def __init__(self, planes: int = 64, depth: int = 4, classes: int = 2) -> None:
        super().__init__()
        widths = [planes * 2**level for level in range(depth + 1)]
        self.encoders = nn.ModuleList(_double_conv(*pair) for pair in pairwise([3, *widths]))
        self.pool = nn.MaxPool2d(2)
        upwards = list(pairwise(reversed(widths)))
        self.ups = nn.ModuleList(nn.ConvTranspose2d(*pair, 2, stride=2) for pair in upwards)
        self.decoders = nn.ModuleList(_double_conv(*pair) for pair in upwards)
        self.head = nn.Conv2d(planes, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        x, *skips = self.encode(x)
        for up, decoder, skip in zip(self.ups, self.decoders, skips, strict=True):
            x = decoder(torch.cat((skip, up(x)), 1))
        return self.head(x)  # type: ignore[no-any-return]

    def encode(self, x: Tensor) -> list[Tensor]:
        """The encoders' outputs, the smallest first."""
        levels = [self.encoders[0](x)]
        for encoder in self.encoders[1:]:
            levels.append(encoder(self.pool(levels[-1])))
        return levels[::-1]


def unet() -> UNet:
    return UNet()
