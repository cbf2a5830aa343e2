"""Building a family's network and its example input, with random weights."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.spaces.catalogue.family import Family

_STAND_INS = Path(__file__).parents[1] / "stand_ins"
# transformers tells by this name what else torchvision should have.
_WITHOUT_STAND_IN = frozenset({"transformers"})


def build(family: Family) -> tuple[nn.Module, Tensor | dict[str, Tensor]]:
    """The network in evaluation mode, and an example input."""
    if family.package not in _WITHOUT_STAND_IN and str(_STAND_INS) not in sys.path:
        sys.path.insert(0, str(_STAND_INS))
    torch.manual_seed(0)
    model: nn.Module = _BUILDERS[family.package](family)
    return model.eval(), _example(family)


def _example(family: Family) -> Tensor | dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    if family.tokens:
        return {"input_ids": torch.randint(2, 50, family.shape, generator=generator)}
    return torch.randn(family.shape, generator=generator)


def _pytorchcv(family: Family) -> nn.Module:
    provider = import_module("pytorchcv.model_provider")
    model: nn.Module = provider.get_model(family.model, pretrained=False, **family.arguments)
    return model


def _timm(family: Family) -> nn.Module:
    model: nn.Module = import_module("timm").create_model(family.model, **family.arguments)
    return model


def _segmentation(family: Family) -> nn.Module:
    constructor = getattr(import_module("segmentation_models_pytorch"), family.model)
    model: nn.Module = constructor(encoder_weights=None, **family.arguments)
    return model


def _efficientnet(family: Family) -> nn.Module:
    network = import_module("efficientnet_pytorch").EfficientNet
    model: nn.Module = network.from_name(family.model, **family.arguments)
    # Its swish is a function of its own with a backward pass, which no exporter takes.
    model.set_swish(memory_efficient=False)  # type: ignore[operator]
    return model


def _monai(family: Family) -> nn.Module:
    constructor = getattr(import_module("monai.networks.nets"), family.model)
    model: nn.Module = constructor(**family.arguments)
    return model


def _transformers(family: Family) -> nn.Module:
    network = getattr(import_module("transformers"), family.model)
    model: nn.Module = network(network.config_class(**family.arguments))
    return model


_BUILDERS = {
    "pytorchcv": _pytorchcv,
    "timm": _timm,
    "segmentation_models_pytorch": _segmentation,
    "efficientnet_pytorch": _efficientnet,
    "monai": _monai,
    "transformers": _transformers,
}
