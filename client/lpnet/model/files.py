"""Latency models in safetensors, with their header as JSON. Loading runs no code of the file."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from lpnet.errors import FileFormatError, LpnetError
from lpnet.model.base import LatencyModel
from lpnet.model.header import Header
from lpnet.model.registry import DEFAULT_KIND, model_class

_KEY = "lpnet"
_MAX_HEADER_BYTES = 8 << 20


def save(lpnet: LatencyModel) -> bytes:
    tensors = {name: value.contiguous() for name, value in lpnet.state_dict().items()}
    # Fields that are null are left out, so that an older lpnet need not know their names.
    header = lpnet.header.model_dump_json(exclude_none=True)
    if lpnet.kind != DEFAULT_KIND:
        header = json.dumps({"kind": lpnet.kind} | json.loads(header))
    return safetensors.torch.save(tensors, {_KEY: header})


def load(data: bytes) -> LatencyModel:
    """Raises FileFormatError, saying what is wrong."""
    model_type, header = _read_header(data)
    # Built without memory first: a header may ask for gigabytes that the file does not hold.
    with torch.device("meta"):
        expected = model_type(header).state_dict()
    try:
        tensors = safetensors.torch.load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise FileFormatError(f"not a whole safetensors file: {error}") from error
    _require_tensors(tensors, expected)
    lpnet = model_type(header)
    lpnet.load_state_dict(tensors)
    lpnet.requires_grad_(False)
    return lpnet


def read(path: str | Path) -> LatencyModel:
    """Raises FileFormatError, naming the file."""
    try:
        return load(Path(path).read_bytes())
    except FileFormatError as error:
        raise FileFormatError(f"{path}: {error}") from error


def read_header(data: bytes) -> Header:
    """Read the header without the tensors. Raises FileFormatError."""
    return _read_header(data)[1]


def _read_header(data: bytes) -> tuple[type[LatencyModel], Header]:
    text = _header_text(data)
    try:
        fields = json.loads(text)
        kind = fields.pop("kind", DEFAULT_KIND) if isinstance(fields, dict) else DEFAULT_KIND
        model_type = model_class(str(kind))
        return model_type, model_type.header_type.model_validate_json(json.dumps(fields))
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"the LPNet's header is wrong: {error}") from error
    except LpnetError as error:
        raise FileFormatError(str(error)) from error


def _header_text(data: bytes) -> str:
    if len(data) < 8:
        raise FileFormatError("not an LPNet file: it is shorter than a safetensors header")
    (length,) = struct.unpack("<Q", data[:8])
    if length > _MAX_HEADER_BYTES:
        raise FileFormatError("not an LPNet file: no safetensors header, or it is too long")
    try:
        head = json.loads(data[8 : 8 + length])
    except (ValueError, RecursionError) as error:
        raise FileFormatError("not an LPNet file: no safetensors header") from error
    metadata = head.get("__metadata__") if isinstance(head, dict) else None
    if not isinstance(metadata, dict) or not isinstance(metadata.get(_KEY), str):
        raise FileFormatError("a safetensors file, but not of an LPNet: no lpnet header in it")
    text: str = metadata[_KEY]
    return text


def _require_tensors(tensors: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    for name in sorted(expected.keys() | tensors.keys()):
        if name not in tensors or name not in expected:
            raise FileFormatError(
                f"tensor {name!r} is {'extra' if name in tensors else 'missing'}"
            )
        want, got = expected[name], tensors[name]
        if want.shape != got.shape or want.dtype != got.dtype:
            raise FileFormatError(
                f"tensor {name!r} is {got.dtype} {list(got.shape)}, "
                f"the header says {want.dtype} {list(want.shape)}"
            )
        if not bool(got.isfinite().all()):
            raise FileFormatError(f"tensor {name!r} holds NaN or infinity")
