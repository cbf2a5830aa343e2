"""lpnet: latency models of real devices, learned from measurements, differentiable in widths.

>>> import lpnet
>>> space = lpnet.zoo.space("resnet50")
>>> client = lpnet.Client("http://127.0.0.1:8000")
>>> predictor = client.predictor("my-target", space)

Names are loaded when first used: `import lpnet` takes neither torch nor onnx.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version as _version
from typing import TYPE_CHECKING, Any

from lpnet.errors import (
    ApiError,
    BadRequest,
    BudgetTooSmall,
    Conflict,
    DeviceBusy,
    DoesNotFit,
    FileFormatError,
    Forbidden,
    LeaseLost,
    LpnetError,
    MissingExtra,
    NameTaken,
    NoLPNet,
    NoSamples,
    NotAllowed,
    NotCovered,
    NotFound,
    NothingFits,
    ServerFault,
    ServerUnreachable,
    SpaceError,
    TooLarge,
    TooManyRequests,
    Unauthenticated,
    UnsupportedOp,
    WidthsError,
)

if TYPE_CHECKING:
    from lpnet import zoo
    from lpnet.client import Client
    from lpnet.model.base import LatencyModel
    from lpnet.predictor.predictor import Predictor
    from lpnet.predictor.worst_case import worst_of
    from lpnet.space.space import Space

__version__ = _version("lpnet")

__all__ = [
    "ApiError",
    "BadRequest",
    "BudgetTooSmall",
    "Client",
    "Conflict",
    "DeviceBusy",
    "DoesNotFit",
    "FileFormatError",
    "Forbidden",
    "LatencyModel",
    "LeaseLost",
    "LpnetError",
    "MissingExtra",
    "NameTaken",
    "NoLPNet",
    "NoSamples",
    "NotAllowed",
    "NotCovered",
    "NotFound",
    "NothingFits",
    "Predictor",
    "ServerFault",
    "ServerUnreachable",
    "Space",
    "SpaceError",
    "TooLarge",
    "TooManyRequests",
    "Unauthenticated",
    "UnsupportedOp",
    "WidthsError",
    "worst_of",
    "zoo",
]

_LAZY = {
    "Client": "lpnet.client",
    "LatencyModel": "lpnet.model.base",
    "Predictor": "lpnet.predictor.predictor",
    "Space": "lpnet.space.space",
    "worst_of": "lpnet.predictor.worst_case",
}


def __getattr__(name: str) -> Any:
    if name == "zoo":
        return import_module("lpnet.zoo")
    if name not in _LAZY:
        raise AttributeError(f"module 'lpnet' has no attribute {name!r}")
    try:
        return getattr(import_module(_LAZY[name]), name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing.startswith("lpnet"):
            raise
        raise MissingExtra(f"lpnet.{name}", "client", missing) from error


def __dir__() -> list[str]:
    return sorted(__all__)
