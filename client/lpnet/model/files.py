"""LPNets in safetensors, with their header as JSON: no pickle, nothing is run on loading."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import safetensors.torch
import torch
from pydantic import ValidationError
from safetensors import SafetensorError

from lpnet.errors import FileFormatError
from lpnet.model.header import Header
from lpnet.model.lpnet import LPNet

_KEY = "lpnet"
_LONGEST_HEAD = 8 << 20


def save(lpnet: LPNet) -> bytes:
    """An LPNet as the bytes of its file."""
    tensors = {name: value.contiguous() for name, value in lpnet.state_dict().items()}
    # What is not said is left out, so that an older lpnet need not know its name.
    header = lpnet.header.model_dump_json(exclude_none=True)
    return safetensors.torch.save(tensors, {_KEY: header})


def load(data: bytes) -> LPNet:
    """The LPNet in the bytes of a file. Raises FileFormatError, saying what is wrong."""
    header = read_header(data)
    # Without memory: a header may ask for gigabytes, and the file says what there is.
    with torch.device("meta"):
        expected = LPNet(header).state_dict()
    try:
        tensors = safetensors.torch.load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise FileFormatError(f"not a whole safetensors file: {error}") from error
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
    lpnet = LPNet(header)
    lpnet.load_state_dict(tensors)
    lpnet.requires_grad_(False)
    return lpnet


def read_header(data: bytes) -> Header:
    """The header alone, without the weights. Raises FileFormatError."""
    if len(data) < 8:
        raise FileFormatError("not an LPNet file: it is shorter than a safetensors header")
    (length,) = struct.unpack("<Q", data[:8])
    if length > _LONGEST_HEAD:
        raise FileFormatError("not an LPNet file: no safetensors header, or too long a one")
    try:
        head = json.loads(data[8 : 8 + length])
    except (ValueError, RecursionError) as error:
        raise FileFormatError("not an LPNet file: no safetensors header") from error
    metadata = head.get("__metadata__") if isinstance(head, dict) else None
    if not isinstance(metadata, dict) or _KEY not in metadata:
        raise FileFormatError("a safetensors file, but not of an LPNet: no lpnet header in it")
    try:
        return Header.model_validate_json(metadata[_KEY])
    except ValidationError as error:
        raise FileFormatError(f"the LPNet's header is wrong: {error}") from error


def read(path: str | Path) -> LPNet:
    """The LPNet in a file. Raises FileFormatError, naming the file."""
    try:
        return load(Path(path).read_bytes())
    except FileFormatError as error:
        raise FileFormatError(f"{path}: {error}") from error
