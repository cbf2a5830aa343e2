"""Measure a user's own network as it is, from an ONNX file to a latency."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import shape_inference

from lpnet.errors import FileFormatError
from lpnet.progress import Progress
from lpnet.schemas.sample import Measurement
from lpnet.space.limits import external_tensor
from lpnet.stop import Stop
from lpnet_agent.errors import Interrupted, MeasureFailed, SetupError
from lpnet_agent.measure.job import Measurer

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class NetworkFile:
    """A network with fixed input shapes, ready to be measured.

    `path` is the file to load, with the shapes in `inputs`; `sha256` is of the user's file.
    """

    path: Path
    sha256: str
    inputs: Shapes


@contextmanager
def network_file(file: Path, batch: int | None, shapes: Shapes) -> Iterator[NetworkFile]:
    """A copy of an ONNX file whose open dimensions are filled in.

    `shapes` gives whole input shapes by name. For other inputs an open first dimension becomes
    `batch`, or 1. Raises FileFormatError for a file that is not ONNX, and SetupError for an input
    that does not exist, cannot have its shape, or has another open dimension.
    """
    data, model = _read(file)
    inputs = _fix_inputs(model, file, batch, shapes)
    sha256 = hashlib.sha256(data).hexdigest()
    with tempfile.TemporaryDirectory(prefix="lpnet-onnx-") as folder:
        copy = Path(folder) / f"{sha256}.onnx"
        copy.write_bytes(_infer_shapes(model).SerializeToString())
        yield NetworkFile(copy, sha256, inputs)


def measure_network(
    measurer: Measurer, network: NetworkFile, stop: Stop, progress: Progress
) -> Measurement:
    """Visit the network until its visits agree, or their number reaches its limit.

    Raises MeasureFailed with the reason.
    """
    schedule = measurer.schedule
    for number in range(2 * schedule.visits):
        if number:
            stop.wait(schedule.gap_before_s(number))
        if stop.is_set():
            break
        progress("measuring", number, schedule.visits)
        measurement = measurer.visit_file(network.path, first=number == 0)
        if measurement is not None:
            return measurement
    if stop.is_set():
        raise Interrupted("the command was ended")
    raise MeasureFailed("the measuring process had to be replaced too often")


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
    external_weight = external_tensor(model)
    if external_weight is not None:
        raise FileFormatError(
            f"{file}: weight {external_weight!r} is stored in another file; save the network in "
            "one file"
        )
    return data, model


def _fix_inputs(
    model: onnx.ModelProto, file: Path, batch: int | None, shapes: Shapes
) -> dict[str, tuple[int, ...]]:
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = {value.name: value for value in model.graph.input if value.name not in weights}
    for name in shapes:
        if name not in inputs:
            raise SetupError(
                f"--shape {name}: {file} has no such input; its inputs are {', '.join(inputs)}"
            )
    return {
        name: _fix_input(value, file, batch, shapes.get(name)) for name, value in inputs.items()
    }


def _fix_input(
    value: onnx.ValueInfoProto, file: Path, batch: int | None, shape: tuple[int, ...] | None
) -> tuple[int, ...]:
    name, dims = value.name, value.type.tensor_type.shape.dim
    if shape is not None and len(shape) != len(dims):
        raise SetupError(
            f"--shape {name}: {len(shape)} sizes for an input with {len(dims)} dimensions"
        )
    for index, dim in enumerate(dims):
        fixed = dim.dim_value if dim.HasField("dim_value") else None
        requested = None if shape is None else shape[index]
        if shape is None and index == 0:
            if batch is not None and fixed is not None and fixed != batch:
                raise SetupError(
                    f"--batch {batch}: input {name!r} of {file} is fixed to batch size {fixed}"
                )
            requested = fixed if fixed is not None else batch or 1
        if requested is None and fixed is None:
            label = f" ({dim.dim_param})" if dim.dim_param else ""
            raise SetupError(
                f"{file}: dimension {index}{label} of input {name!r} is open; set it with "
                f"--shape {name}=1,3,224,224 (with your sizes)"
            )
        if requested is not None and fixed is not None and requested != fixed:
            raise SetupError(
                f"--shape {name}: dimension {index} is {fixed} in {file}, got {requested}"
            )
        if requested is not None:
            dim.dim_value = requested
    return tuple(dim.dim_value for dim in dims)


def _infer_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    """Infer the shapes that follow from the inputs; returns the model unchanged if onnx cannot."""
    del model.graph.value_info[:]
    for output in model.graph.output:
        for dim in output.type.tensor_type.shape.dim:
            if not dim.HasField("dim_value"):
                dim.Clear()
    try:
        return shape_inference.infer_shapes(model, data_prop=True)
    except Exception:  # the runtime may know an op that onnx does not
        return model
