"""MobileNetV2 (Sandler et al., arXiv 1801.04381)."""

from __future__ import annotations

from torch import Tensor, nn

# expansion, channels, repeats, stride of the first
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def _conv(c_in: int, c_out: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(c_out),
        nn.ReLU6(inplace=True),
    )


class InvertedResidual(nn.Module):
    """1x1 expand, 3x3 depthwise, 1x1 project; a shortcut if the shape stays the same."""

    def __init__(self, c_in: int, c_out: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = c_in * expansion
        self.shortcut = stride == 1 and c_in == c_out
        layers: list[nn.Module] = [_conv(c_in, hidden, 1)] if expansion != 1 else []
        layers += [
            _conv(hidden, hidden, 3, stride, groups=hidden),
            nn.Conv2d(hidden, c_out, 1, bias=False),
            nn.BatchNorm2d(c_out),
        ]
        self.conv = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return x + out if self.shortcut else out


class MobileNetV2(nn.Module):
    """MobileNetV2. Without `early_strides` the stem and the second stage have stride 1, as is
    usual for the 32x32 images of CIFAR."""

    def __init__(self, classes: int = 1000, early_strides: bool = True) -> None:
        super().__init__()
        channels = 32
        features: list[nn.Module] = [_conv(3, channels, 3, 2 if early_strides else 1)]
        for index, (expansion, c_out, repeats, stride) in enumerate(_STAGES):
            first = stride if early_strides or index != 1 else 1
            for repeat in range(repeats):
                features.append(
                    InvertedResidual(channels, c_out, first if repeat == 0 else 1, expansion)
                )
                channels = c_out
        features.append(_conv(channels, 1280, 1))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, classes))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.features(x)
        return self.classifier(out.mean((2, 3)))  # type: ignore[no-any-return]


def mobilenet_v2() -> MobileNetV2:
    """For 224x224 images, 1000 classes."""
    return MobileNetV2()


def mobilenet_v2_32() -> MobileNetV2:
    """For 32x32 images, 10 classes."""
    return MobileNetV2(classes=10, early_strides=False)
