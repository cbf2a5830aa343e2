"""Spaces named in a command: of the zoo, in a file, or of a function of the user."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lpnet.cli.models import call_factory
from lpnet.errors import FileFormatError, LpnetError, SpaceError

if TYPE_CHECKING:
    import onnx
    from torch import nn

    from lpnet.space.space import Space
    from lpnet.space.trace import Example

_SPACE = typer.Argument(
    metavar="SPACE",
    help="A network of the zoo (mobilenet_v2, resnet50, ...), a space file, an ONNX file, or "
    "a function pkg.mod:factory that returns a torch.nn.Module.",
)
SpaceName = Annotated[str, _SPACE]
OptionalSpaceName = Annotated[str | None, _SPACE]
Shapes = Annotated[
    list[str] | None,
    typer.Option(
        "--shape",
        help="Shape of an input, batch first: 1x3x224x224, NAME=1x3x224x224, or 1x128:int64 for "
        "an input of integers. A factory needs it, and an ONNX file with open sides. Repeatable.",
    ),
]
FrozenLayers = Annotated[
    list[str] | None,
    typer.Option(
        "--frozen",
        help="Layers that keep all channels, by name; * stands for anything: head.*. Repeatable.",
    ),
]
_SHAPE = re.compile(r"(?:(.+)=)?(\d+(?:[x,]\d+)*)(?::(\w+))?")
_TYPES = ("float32", "float64", "int64", "int32", "bool")


@dataclass(frozen=True)
class InputShape:
    """The shape of an input, and its element type; None where it is not given."""

    name: str | None
    sides: tuple[int, ...]
    type: str | None

    @classmethod
    def parse(cls, text: str) -> InputShape:
        """Raises LpnetError."""
        match = _SHAPE.fullmatch(text.strip())
        if match is None:
            raise LpnetError(f"--shape {text}: write 1x3x224x224 or NAME=1x3x224x224")
        name, sides, type_ = match.groups()
        shape = cls(name, tuple(int(side) for side in re.split("[x,]", sides)), type_)
        if min(shape.sides) < 1:
            raise LpnetError(f"--shape {text}: each side must be at least 1")
        if type_ is not None and type_ not in _TYPES:
            raise LpnetError(f"--shape {text}: the type must be one of {', '.join(_TYPES)}")
        return shape


def open_space(
    name: str,
    *,
    shapes: Sequence[str] | None = None,
    frozen: Sequence[str] | None = None,
    batch: int | None = None,
    resolution: int | None = None,
) -> Space:
    """The space of a network of the zoo, a space file, an ONNX file, or `pkg.mod:factory`.

    Raises LpnetError, and OSError for a file that cannot be read.
    """
    parsed = [InputShape.parse(text) for text in shapes or ()]
    space = _open(name, parsed, tuple(frozen or ()))
    if batch is None and resolution is None:
        return space
    return space.at(batch=batch, resolution=resolution)


def _open(name: str, shapes: list[InputShape], frozen: Sequence[str]) -> Space:
    path = Path(name)
    if path.is_file():
        return _from_file(path, shapes, frozen)
    if ":" in name:
        return _from_factory(name, shapes, frozen)
    zoo = import_module("lpnet.zoo")
    if name not in zoo.NAMES:
        raise LpnetError(
            f"{name!r} is neither a file, nor a function pkg.mod:factory, nor a network of the "
            f"zoo ({', '.join(zoo.NAMES)})"
        )
    if not shapes and not frozen:
        space: Space = zoo.space(name)
        return space
    side = zoo.side(name)
    shapes = shapes or [InputShape(None, (1, 3, side, side), None)]
    return _from_model(zoo.model(name), shapes, name, frozen)


def _from_file(path: Path, shapes: list[InputShape], frozen: Sequence[str]) -> Space:
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    from lpnet.space.space import Space

    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, ValueError) as error:
        raise FileFormatError(f"{path} is neither a space file nor an ONNX file") from error
    if all(prop.key != "lpnet" for prop in model.metadata_props):
        return Space.from_onnx(path, shapes=_by_input(model, shapes, path), frozen=frozen)
    if shapes or frozen:
        raise SpaceError(
            f"{path} is a space file, which has its shape and frozen layers already: --shape and "
            "--frozen need the network that it was made from"
        )
    return Space.load(path)


def _by_input(
    model: onnx.ModelProto, shapes: list[InputShape], path: Path
) -> dict[str, tuple[int, ...]]:
    """Shapes by the name of their input; those without a name go to the first inputs."""
    weights = {weight.name for weight in model.graph.initializer}
    named = {shape.name for shape in shapes}
    inputs = [value.name for value in model.graph.input if value.name not in weights]
    free = iter([name for name in inputs if name not in named])
    result = {}
    for shape in shapes:
        if shape.type is not None:
            raise LpnetError(f"--shape: leave out {shape.type}, as {path} has types")
        name = next(free, None) if shape.name is None else shape.name
        if name is None or name not in inputs:
            raise LpnetError(f"--shape: {path} has the inputs {', '.join(inputs)}")
        result[name] = shape.sides
    return result


def _from_factory(name: str, shapes: list[InputShape], frozen: Sequence[str]) -> Space:
    if not shapes:
        raise LpnetError(
            f"{name}: which input does it take? Pass --shape, such as --shape 1x3x224x224"
        )
    return _from_model(call_factory(name), shapes, name.partition(":")[2], frozen)


def _from_model(
    model: nn.Module, shapes: list[InputShape], name: str, frozen: Sequence[str]
) -> Space:
    from lpnet.space.space import Space

    return Space.from_model(model, _example(shapes), name=name, frozen=frozen)


def _example(shapes: list[InputShape]) -> Example:
    import torch

    try:
        tensors = [
            torch.zeros(shape.sides, dtype=getattr(torch, shape.type or "float32"))
            for shape in shapes
        ]
    except RuntimeError as error:
        raise LpnetError(f"--shape: {error}") from error
    names = [shape.name for shape in shapes if shape.name is not None]
    if not names:
        return tensors[0] if len(tensors) == 1 else tuple(tensors)
    if len(names) < len(shapes):
        raise LpnetError("--shape: name all inputs or none")
    return dict(zip(names, tensors, strict=True))
