"""A user's own network as it is: from an ONNX file to a latency, and nowhere else."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import shape_inference

from lpnet.errors import FileFormatError
from lpnet.schemas.sample import Measurement
from lpnet.space.limits import external
from lpnet_agent.errors import BadSetup, Interrupted, MeasureFailed
from lpnet_agent.measure.job import Measurer
from lpnet_agent.stop import Stop

Shapes = Mapping[str, tuple[int, ...]]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class NetworkFile:
    """A network with concrete shapes, ready to be measured: `path` is what is loaded, `sha256`
    that of the user's file, `inputs` the shapes it is run with."""

    path: Path
    sha256: str
    inputs: Shapes


@contextmanager
def network_file(file: Path, batch: int | None, shapes: Shapes) -> Iterator[NetworkFile]:
    """An ONNX file, with the sides that it leaves open filled in; the file itself stays as it is.

    `shapes` gives inputs their whole shapes by name; of the others an open first side becomes
    `batch`, or 1. Raises FileFormatError for what is not ONNX, and BadSetup naming an input that
    is not there, cannot have its shape, or has another side open.
    """
    data, model = _read(file)
    found = _fix(model, file, batch, shapes)
    sha256 = hashlib.sha256(data).hexdigest()
    with tempfile.TemporaryDirectory(prefix="lpnet-onnx-") as folder:
        copy = Path(folder) / f"{sha256}.onnx"
        copy.write_bytes(_inferred(model).SerializeToString())
        yield NetworkFile(copy, sha256, found)


def measure_network(
    measurer: Measurer, network: NetworkFile, stop: Stop, progress: Progress
) -> Measurement:
    """Visit it until its visits agree or patience ends. Raises MeasureFailed with the reason."""
    schedule = measurer.schedule
    for number in range(2 * schedule.visits):
        if number:
            stop.wait(schedule.gap(number))
        if stop.is_set():
            break
        progress(number, schedule.visits)
        found = measurer.visit_file(network.path, first=number == 0)
        if found is not None:
            return found
    if stop.is_set():
        raise Interrupted("the command was asked to end")
    raise MeasureFailed("the measuring process was replaced again and again")


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
        raise FileFormatError(f"{file}: not ONNX: there is no node in it")
    outside = external(model)
    if outside is not None:
        raise FileFormatError(
            f"{file}: weight {outside!r} lies in another file; save the network in one file"
        )
    return data, model


def _fix(model: onnx.ModelProto, file: Path, batch: int | None, shapes: Shapes) -> Shapes:
    weights = {each.name for each in model.graph.initializer}
    inputs = {each.name: each for each in model.graph.input if each.name not in weights}
    for name in shapes:
        if name not in inputs:
            raise BadSetup(f"--shape {name}: {file} has no such input: {', '.join(inputs)}")
    found = {}
    for name, each in inputs.items():
        sides = each.type.tensor_type.shape.dim
        if name in shapes and len(shapes[name]) != len(sides):
            raise BadSetup(
                f"--shape {name}: {len(shapes[name])} sides for an input of {len(sides)}"
            )
        for place, side in enumerate(sides):
            known = side.dim_value if side.HasField("dim_value") else None
            wanted = shapes[name][place] if name in shapes else None
            if name not in shapes and place == 0:
                if batch is not None and known is not None and known != batch:
                    raise BadSetup(f"--batch {batch}: input {name!r} of {file} has batch {known}")
                wanted = known if known is not None else batch or 1
            if wanted is None and known is None:
                word = f" ({side.dim_param})" if side.dim_param else ""
                raise BadSetup(
                    f"{file}: side {place}{word} of input {name!r} is open: give --shape "
                    f"{name}=1,3,224,224, with its own sides"
                )
            if wanted is not None and known is not None and wanted != known:
                raise BadSetup(f"--shape {name}: side {place} is {known} in {file}, not {wanted}")
            if wanted is not None:
                side.dim_value = wanted
        found[name] = tuple(side.dim_value for side in sides)
    return found


def _inferred(model: onnx.ModelProto) -> onnx.ModelProto:
    """With the shapes of what follows from the inputs; where onnx cannot tell, the runtime may."""
    del model.graph.value_info[:]
    for each in model.graph.output:
        for side in each.type.tensor_type.shape.dim:
            if not side.HasField("dim_value"):
                side.Clear()
    try:
        return shape_inference.infer_shapes(model, data_prop=True)
    except Exception:  # an op that onnx does not know is the runtime's to judge
        return model
