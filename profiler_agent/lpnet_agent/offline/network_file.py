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
from lpnet.subnormals import Subnormals, count_subnormals, zero_subnormals
from lpnet_agent.errors import SetupError
from lpnet_agent.offline.input_shapes import Shapes, fix_inputs
from lpnet_agent.offline.network_precision import network_precision
from lpnet_agent.offline.weight_files import load_weight_files


@dataclass(frozen=True)
class NetworkOptions:
    """How the copy differs from the user's file; see `network_file`.

    `write_zeroed` is a file to which the network is written as it is, but with its subnormal
    weights at zero.
    """

    batch: int | None = None
    shapes: Shapes = field(default_factory=dict)
    zero_subnormals: bool = False
    write_zeroed: Path | None = None


@dataclass(frozen=True)
class NetworkFile:
    """A network with fixed input shapes, ready to be measured.

    `path` is the file to load, with the shapes in `inputs`; `sha256` is of the user's file.
    `subnormals` counts those of the user's file, and `zeroed` says that `path` has them at zero.
    Otherwise `zeroed_path` is a copy that has; None if there are none. `precision` is that of the
    weights; None without weights.
    """

    path: Path
    sha256: str
    inputs: Shapes
    subnormals: Subnormals
    zeroed: bool = False
    zeroed_path: Path | None = None
    precision: str | None = None


@contextmanager
def network_file(file: Path, options: NetworkOptions) -> Iterator[NetworkFile]:
    """A copy of an ONNX file whose open sides are filled in, and which holds all its weights.

    `fix_inputs` says what becomes of open sides. Raises FileFormatError for a file that is not
    ONNX or lacks weights, and SetupError for inputs that cannot have their shapes, or if the file
    of `write_zeroed` cannot be written.
    """
    data, model = _read(file)
    if options.write_zeroed is not None:
        _write_zeroed(file, options.write_zeroed)
    inputs = fix_inputs(model, file, options.batch, options.shapes)
    load_weight_files(model, file)
    subnormals = count_subnormals(model)
    precision = network_precision(model)
    sha256 = hashlib.sha256(data).hexdigest()
    with tempfile.TemporaryDirectory(prefix="lpnet-onnx-") as folder:
        copy = Path(folder) / f"{sha256}.onnx"
        zeroed_copy = Path(folder) / f"{sha256}-zeroed.onnx"
        model = _infer_shapes(model)
        if not options.zero_subnormals:
            copy.write_bytes(model.SerializeToString())
        if subnormals.count or options.zero_subnormals:
            zero_subnormals(model)
            zeroed_copy.write_bytes(model.SerializeToString())
        if options.zero_subnormals:
            yield NetworkFile(
                zeroed_copy, sha256, inputs, subnormals, zeroed=True, precision=precision
            )
        else:
            other = zeroed_copy if subnormals.count else None
            yield NetworkFile(
                copy, sha256, inputs, subnormals, zeroed_path=other, precision=precision
            )


def _write_zeroed(file: Path, out: Path) -> None:
    _, model = _read(file)
    load_weight_files(model, file)
    zero_subnormals(model)
    try:
        out.write_bytes(model.SerializeToString())
    except OSError as error:
        raise SetupError(f"--write-zeroed {out}: {error.strerror}") from error


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
