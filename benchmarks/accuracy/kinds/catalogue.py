"""The networks and blocks that are profiled, one or more of each kind of op beyond plain convs.

They are those of lpnet.zoo, with few layers and small inputs: a workload takes some milliseconds,
and each block of a space is drawn several times.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lpnet import zoo
from lpnet.errors import FileFormatError
from lpnet.space.space import Space

if TYPE_CHECKING:
    from torch import nn

QUICK_BLOCKS, QUICK_NETWORKS, QUICK_REPEATS = 16, 6, 2


@dataclass(frozen=True)
class Case:
    """A space of a kind, and how many of its blocks and networks to measure, with so many
    repeats."""

    name: str
    kind: str
    build: Callable[[str], Space]
    blocks: int
    networks: int = 0
    repeats: int = 3

    def space(self, folder: Path) -> Space:
        """The space; built once, and read from `folder` from then on."""
        path = folder / f"{self.name}.onnx"
        if path.exists():
            # A file of another lpnet may be of no use.
            with suppress(FileFormatError):
                return Space.load(path)
        built = self.build(self.name)
        folder.mkdir(parents=True, exist_ok=True)
        built.save(path)
        return built


def cases(*, quick: bool = False) -> tuple[Case, ...]:
    """All cases, or for development a few of them with few workloads."""
    if not quick:
        return _CASES
    return tuple(
        replace(
            case,
            blocks=min(case.blocks, QUICK_BLOCKS),
            networks=min(case.networks, QUICK_NETWORKS),
            repeats=QUICK_REPEATS,
        )
        for case in _CASES
        if case.name in _QUICK
    )


def _images(build: Callable[[], nn.Module], side: int) -> Callable[[str], Space]:
    """The space of a network on square images."""

    def space(name: str) -> Space:
        import torch

        with torch.random.fork_rng(devices=[]):
            return Space.from_model(build(), torch.zeros(1, 3, side, side), name=name)

    return space


def _block(kind: str, **sizes: int) -> Callable[[str], Space]:
    return lambda name: zoo.block(kind, **sizes)


def _detector() -> nn.Module:
    from lpnet.zoo.yolo import YOLO

    return YOLO(planes=16, classes=80, decode=True)


def _densenet() -> nn.Module:
    from lpnet.zoo.densenet import DenseNet

    return DenseNet((2, 3, 3), growth=32, classes=100)


def _shufflenet() -> nn.Module:
    from lpnet.zoo.shufflenet import ShuffleNetV2

    return ShuffleNetV2((2, 2, 2), (116, 232, 464), classes=100)


def _preact_resnet() -> nn.Module:
    from lpnet.zoo.preact_resnet import PreActResNet

    return PreActResNet(depth=2, planes=32)


def _resnext() -> nn.Module:
    from lpnet.zoo.resnet import ResNet, ResNeXtBottleneck

    return ResNet(ResNeXtBottleneck, (1, 1, 1, 1), classes=100)


def _unet() -> nn.Module:
    from lpnet.zoo.unet import UNet

    return UNet(planes=32, depth=3)


def _vit() -> nn.Module:
    from lpnet.zoo.vit import VisionTransformer

    return VisionTransformer(side=96, patch=12, channels=192, heads=6, depth=4, classes=100)


_CASES = (
    Case(
        "mobilenet_v3_small",
        "squeeze-excite",
        _images(lambda: zoo.model("mobilenet_v3_small"), 96),
        240,
        24,
    ),
    Case("yolo_n_decoded", "C2f, split and concat", _images(_detector, 128), 240, 24),
    Case("densenet_8", "dense concat", _images(_densenet, 64), 160, 16),
    Case("shufflenet_6", "shuffle", _images(_shufflenet, 96), 160, 16),
    Case("unet_3", "U-Net", _images(_unet, 48), 60, 12),
    Case("vit_4", "ViT", _images(_vit, 96), 100, 16),
    Case("preact_resnet_6", "pre-activation", _images(_preact_resnet, 32), 24, 7),
    Case("resnext_4", "grouped", _images(_resnext, 64), 24, 7),
    Case(
        "mbconv",
        "squeeze-excite block",
        _block("mbconv", channels=48, hidden=288, side=14, squeeze=1),
        20,
    ),
    Case("ffn", "FFN block", _block("ffn", channels=192, hidden=768, tokens=64, norm=1), 20),
    Case("swiglu", "SwiGLU block", _block("swiglu", channels=192, hidden=512, tokens=64), 20),
    Case(
        "attention",
        "attention block",
        _block("attention", channels=256, heads=16, tokens=64, head_dim=32),
        24,
    ),
)
_QUICK = ("vit_4", "densenet_8", "ffn", "attention")
