"""A detector of the size and kind of YOLOv8-nano: C2f blocks, SPPF, PAN, decoupled heads."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_BINS = 16  # a box side is a distribution over so many distances
_STRIDES = (8, 16, 32)


class Conv(nn.Module):
    """Conv, BatchNorm, SiLU."""

    def __init__(self, c_in: int, c_out: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(c_out, eps=0.001, momentum=0.03)
        self.act = nn.SiLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))  # type: ignore[no-any-return]


class Bottleneck(nn.Module):
    def __init__(self, channels: int, shortcut: bool) -> None:
        super().__init__()
        self.cv1 = Conv(channels, channels, 3)
        self.cv2 = Conv(channels, channels, 3)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.cv2(self.cv1(x))
        return x + out if self.shortcut else out


class C2f(nn.Module):
    """Splits the channels, sends the second half through bottlenecks, and concatenates both
    halves and every bottleneck's output."""

    def __init__(self, c_in: int, c_out: int, depth: int = 1, shortcut: bool = False) -> None:
        super().__init__()
        hidden = c_out // 2
        self.cv1 = Conv(c_in, 2 * hidden)
        self.cv2 = Conv((2 + depth) * hidden, c_out)
        self.m = nn.ModuleList(Bottleneck(hidden, shortcut) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        parts = list(self.cv1(x).chunk(2, dim=1))
        for bottleneck in self.m:
            parts.append(bottleneck(parts[-1]))
        return self.cv2(torch.cat(parts, 1))  # type: ignore[no-any-return]


class SPPF(nn.Module):
    """Concatenates max pools of growing windows, as a chain of small ones."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.cv1 = Conv(channels, channels // 2)
        self.cv2 = Conv(2 * channels, channels)
        self.pool = nn.MaxPool2d(5, stride=1, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        parts = [self.cv1(x)]
        for _ in range(3):
            parts.append(self.pool(parts[-1]))
        return self.cv2(torch.cat(parts, 1))  # type: ignore[no-any-return]


class Head(nn.Module):
    """Boxes and class scores from branches of their own, concatenated as channels."""

    def __init__(self, c_in: int, hidden_box: int, hidden_score: int, classes: int) -> None:
        super().__init__()
        self.box = _branch(c_in, hidden_box, 4 * _BINS)
        self.score = _branch(c_in, hidden_score, classes)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((self.box(x), self.score(x)), 1)


class YOLO(nn.Module):
    """Feature maps of 4 * 16 + `classes` channels at strides 8, 16 and 32, as a tuple.

    With `decode`, a single tensor (batch, 4 + classes, cells of all maps): corners of the boxes
    in pixels, then scores from 0 to 1.
    """

    def __init__(self, planes: int = 16, classes: int = 80, decode: bool = False) -> None:
        super().__init__()
        c1, c2, c3, c4, c5 = (planes * 2**level for level in range(5))
        self.decode = decode
        self.stem = Conv(3, c1, 3, 2)
        self.stage2 = nn.Sequential(Conv(c1, c2, 3, 2), C2f(c2, c2, 1, shortcut=True))
        self.stage3 = nn.Sequential(Conv(c2, c3, 3, 2), C2f(c3, c3, 2, shortcut=True))
        self.stage4 = nn.Sequential(Conv(c3, c4, 3, 2), C2f(c4, c4, 2, shortcut=True))
        self.stage5 = nn.Sequential(Conv(c4, c5, 3, 2), C2f(c5, c5, 1, shortcut=True), SPPF(c5))
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")
        self.up4 = C2f(c5 + c4, c4)
        self.up3 = C2f(c4 + c3, c3)
        self.down3 = Conv(c3, c3, 3, 2)
        self.out4 = C2f(c3 + c4, c4)
        self.down4 = Conv(c4, c4, 3, 2)
        self.out5 = C2f(c4 + c5, c5)
        hidden = (max(c3, 4 * _BINS), max(c3, min(classes, 100)))
        self.heads = nn.ModuleList(Head(c, *hidden, classes) for c in (c3, c4, c5))
        self.register_buffer("bins", torch.arange(float(_BINS)), persistent=False)

    def forward(self, x: Tensor) -> tuple[Tensor, ...] | Tensor:
        x3 = self.stage3(self.stage2(self.stem(x)))
        x4 = self.stage4(x3)
        x5 = self.stage5(x4)
        up4 = self.up4(torch.cat((self.upsample(x5), x4), 1))
        out3 = self.up3(torch.cat((self.upsample(up4), x3), 1))
        out4 = self.out4(torch.cat((self.down3(out3), up4), 1))
        out5 = self.out5(torch.cat((self.down4(out4), x5), 1))
        pyramid = zip(self.heads, (out3, out4, out5), strict=True)
        maps = tuple(head(x) for head, x in pyramid)
        if not self.decode:
            return maps
        return torch.cat([self.predict(x, s) for x, s in zip(maps, _STRIDES, strict=True)], 2)

    def predict(self, x: Tensor, stride: int) -> Tensor:
        """Boxes and scores of a map's cells. A side of a box is the mean of a distribution."""
        height, width = x.shape[2:]
        rows, columns = (
            torch.arange(0.5, side, device=x.device, dtype=x.dtype) for side in (height, width)
        )
        centres = torch.stack((columns.repeat(height), rows.repeat_interleave(width)))
        sides, scores = x[:, : 4 * _BINS].flatten(2), x[:, 4 * _BINS :].flatten(2)
        bins = torch.unflatten(sides, 1, (4, _BINS)).softmax(2)
        distances = (bins * self.get_buffer("bins")[:, None]).sum(2)
        corners = torch.cat((centres - distances[:, :2], centres + distances[:, 2:]), 1)
        return torch.cat((corners * stride, scores.sigmoid()), 1)


def _branch(c_in: int, hidden: int, c_out: int) -> nn.Sequential:
    return nn.Sequential(
        Conv(c_in, hidden, 3), Conv(hidden, hidden, 3), nn.Conv2d(hidden, c_out, 1)
    )


def yolo_n() -> YOLO:
    return YOLO()


def yolo_n_decoded() -> YOLO:
    return YOLO(decode=True)
