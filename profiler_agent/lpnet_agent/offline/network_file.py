"""The copy of a user's ONNX file that is measured: in one file, with concrete shapes."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import onnx
from onnx import shape_inference

from lpnet.errors import FileFormatError
from lpnet_agent.offline.input_shapes import Shapes, fix_inputs
from lpnet_agent.offline.subnormals import subnormal_pct, zero_subnormals
from lpnet_agent.offline.weight_files import load_weight_files


@dataclass(frozen=True)
class NetworkOptions:
    """How the copy differs from the user's file; see `network_file`."""

    batch: int | None = None
    shapes: Shapes = field(default_factory=dict)
    zero_subnormals: bool = False


@dataclass(frozen=True)
class NetworkFile:
    """A network with fixed input shapes, ready to be measured.

    `path` is the file to load, with the shapes in `inputs`; `sha256` is of the user's file.
    `subnormal_pct` is the share of subnormal weights in the file to load, in percent.
    """

    path: Path
    sha256: str
    inputs: Shapes
    subnormal_pct: float


@contextmanager
def network_file(file: Path, options: NetworkOptions) -> Iterator[NetworkFile]:
    """A copy of an ONNX file whose open sides are filled in, and which holds all its weights.

    `fix_inputs` says what becomes of open sides. Raises FileFormatError for a file that is not
    ONNX or lacks weights, and SetupError for inputs that cannot have their shapes.
    """
    data, model = _read(file)
    inputs = fix_inputs(model, file, options.batch, options.shapes)
    load_weight_files(model, file)
    if options.zero_subnormals:
        zero_subnormals(model)
    sha256 = hashlib.sha256(data).hexdigest()
    with tempfile.TemporaryDirectory(prefix="lpnet-onnx-") as folder:
        copy = Path(folder) / f"{sha256}.onnx"
        copy.write_bytes(_infer_shapes(model).SerializeToString())
        yield NetworkFile(copy, sha256, inputs, subnormal_pct(model))


def _read(file: Path) -> tuple[bytes, onnx.ModelProto]:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise FileFormatError(f"{file}: {error.strerror}") from error
    try:
        model = onnx.load_from_string(data)
    except Exception as error:  # protobuf's own
        raise FileFormatError(f"{file}: not ONNX: {error}") from error
    if not model.graph.node:
        raise FileFormatError(f"{file}: not ONNX: it contains no node")
    return data, model


def _infer_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    """Infer the shapes that follow from the inputs; returns the model unchanged if onnx cannot."""
    del model.graph.value_info[:]
    for output in model.graph.output:
        # They may contradict the shapes that the inputs have now.
        if output.type.HasField("tensor_type"):
            output.type.tensor_type.ClearField("shape")
    try:
        return shape_inference.infer_shapes(model, data_prop=True)
    except Exception:  # the runtime may know an op that onnx does not
        return model
