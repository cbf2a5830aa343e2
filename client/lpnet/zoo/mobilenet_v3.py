"""MobileNetV3 (Howard et al., arXiv 1905.02244)."""

from __future__ import annotations

from torch import Tensor, nn

# kernel, expanded channels, channels, squeeze-excite, activation, stride
_SMALL: tuple[tuple[int, int, int, bool, type[nn.Module], int], ...] = (
    (3, 16, 16, True, nn.ReLU, 2),
    (3, 72, 24, False, nn.ReLU, 2),
    (3, 88, 24, False, nn.ReLU, 1),
    (5, 96, 40, True, nn.Hardswish, 2),
    (5, 240, 40, True, nn.Hardswish, 1),
    (5, 240, 40, True, nn.Hardswish, 1),
    (5, 120, 48, True, nn.Hardswish, 1),
    (5, 144, 48, True, nn.Hardswish, 1),
    (5, 288, 96, True, nn.Hardswish, 2),
    (5, 576, 96, True, nn.Hardswish, 1),
    (5, 576, 96, True, nn.Hardswish, 1),
)


def conv_norm(
    c_in: int,
    c_out: int,
    kernel: int,
    stride: int = 1,
    groups: int = 1,
    activation: type[nn.Module] | None = None,
) -> nn.Sequential:
    """A conv that keeps the size at stride 1, BatchNorm, and an activation if there is any."""
    layers: list[nn.Module] = [
        nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(c_out, eps=0.001, momentum=0.01),
    ]
    return nn.Sequential(*layers, *([activation()] if activation else []))


class SqueezeExcite(nn.Module):
    """Scales each channel by a number between 0 and 1, computed from all channels' means."""

    def __init__(
        self,
        channels: int,
        squeezed: int,
        activation: type[nn.Module] = nn.ReLU,
        gate: type[nn.Module] = nn.Hardsigmoid,
    ) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.activation = activation()
        self.fc2 = nn.Conv2d(squeezed, channels, 1)
        self.scale_activation = gate()

    def forward(self, x: Tensor) -> Tensor:
        scale = self.fc2(self.activation(self.fc1(self.avgpool(x))))
        return x * self.scale_activation(scale)  # type: ignore[no-any-return]


class InvertedResidual(nn.Module):
    """1x1 expand, depthwise, squeeze-excite, 1x1 project; a shortcut if the shape stays."""

    def __init__(
        self,
        c_in: int,
        kernel: int,
        hidden: int,
        c_out: int,
        squeeze: bool,
        activation: type[nn.Module],
        stride: int,
    ) -> None:
        super().__init__()
        self.shortcut = stride == 1 and c_in == c_out
        layers = [conv_norm(c_in, hidden, 1, activation=activation)] if hidden != c_in else []
        layers.append(conv_norm(hidden, hidden, kernel, stride, hidden, activation))
        gate = [SqueezeExcite(hidden, _multiple_of_8(hidden / 4))] if squeeze else []
        self.block = nn.Sequential(*layers, *gate, conv_norm(hidden, c_out, 1))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.block(x)
        return x + out if self.shortcut else out


class MobileNetV3(nn.Module):
    def __init__(self, last: int = 1024, classes: int = 1000) -> None:
        super().__init__()
        channels = 16
        features: list[nn.Module] = [conv_norm(3, channels, 3, 2, activation=nn.Hardswish)]
        for kernel, hidden, c_out, squeeze, activation, stride in _SMALL:
            features.append(
                InvertedResidual(channels, kernel, hidden, c_out, squeeze, activation, stride)
            )
            channels = c_out
        features.append(conv_norm(channels, 6 * channels, 1, activation=nn.Hardswish))
        self.features = nn.Sequential(*features)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(6 * channels, last),
            nn.Hardswish(),
            nn.Dropout(0.2),
            nn.Linear(last, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))  # type: ignore[no-any-return]


def _multiple_of_8(channels: float) -> int:
    # The nearest one that is at least 8 and no less than 90% of `channels`.
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * channels else nearest + 8


def mobilenet_v3_small() -> MobileNetV3:
    return MobileNetV3()
