"""The shapes of a network's inputs: open sides are filled in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import onnx

from lpnet_agent.errors import SetupError

Shapes = Mapping[str, tuple[int, ...]]

# Placeholders of exporters, which do not say that two sides are equal.
_NO_NAMES = frozenset({"", "?", "*", "-1", "0", "None"})
_EXAMPLE_SHAPE = (1, 3, 224, 224)
_EXAMPLE_LENGTH = 128


def fix_inputs(
    model: onnx.ModelProto, file: Path, batch: int | None, shapes: Shapes
) -> dict[str, tuple[int, ...]]:
    """Write concrete shapes into the inputs of a model, and return them by name.

    A side is open if it is a name, 0, negative or missing. `shapes` gives whole shapes by input.
    In other inputs an open first side becomes `batch`, or that of `shapes`, or 1, and a side that
    has the name of another one becomes equal to it. Raises SetupError for an input that does not
    exist, cannot have its shape, or has another open side.
    """
    inputs = _inputs(model, file)
    for name in shapes:
        if name not in inputs:
            raise SetupError(
                f"--shape {name}: {file} has no such input; its inputs are {', '.join(inputs)}"
            )
    _check_batch(inputs, file, batch, shapes)
    sizes = _NamedSizes()
    default_batch = next((shape[0] for name, shape in shapes.items() if inputs[name].is_batch), 1)
    for name, shape in shapes.items():
        inputs[name].set_shape(shape, sizes)
    others = [value for name, value in inputs.items() if name not in shapes]
    lengths = _length_names(others)
    for value in others:
        if value.names and value.names[0] not in lengths:
            value.set_batch(batch, default_batch, sizes)
    for value in others:
        value.set_named(sizes)
    _check_complete(others, file)
    return {name: value.write() for name, value in inputs.items()}


def _inputs(model: onnx.ModelProto, file: Path) -> dict[str, _Input]:
    graph = model.graph
    weights = {tensor.name for tensor in graph.initializer}
    weights |= {tensor.values.name for tensor in graph.sparse_initializer}
    return {value.name: _Input(value, file) for value in graph.input if value.name not in weights}


def _length_names(inputs: Sequence[_Input]) -> set[str]:
    """The names that are no batch although a vector has them first: other inputs have them, but
    not first."""
    inner = {name for value in inputs for name in value.names[1:]} - _NO_NAMES
    return inner - {value.names[0] for value in inputs if len(value.names) > 1}


def _check_batch(
    inputs: Mapping[str, _Input], file: Path, batch: int | None, shapes: Shapes
) -> None:
    """Raises SetupError if no input can have this batch size."""
    first_sides = {
        name: value.sides[0]
        for name, value in inputs.items()
        if name not in shapes and value.sides
    }
    if batch is None or not first_sides:
        return
    if not any(side is None or side == batch for side in first_sides.values()):
        name, fixed = next(iter(first_sides.items()))
        raise SetupError(
            f"--batch {batch}: input {name!r} of {file} is fixed to batch size {fixed}"
        )


def _check_complete(inputs: Sequence[_Input], file: Path) -> None:
    problems: list[str] = []
    names: set[str] = set()
    for value in inputs:
        # The option for an earlier input sets sides of the same names too.
        if not value.is_complete and not value.open_names <= names:
            problems.append(value.problem())
            names |= value.open_names - _NO_NAMES
    if problems:
        raise SetupError(f"{file}: {'; '.join(problems)} (with your sizes)")


class _NamedSizes:
    """The sizes of sides by their name, which are equal wherever the name occurs."""

    def __init__(self) -> None:
        self._sizes: dict[str, tuple[int, str]] = {}

    def bind(self, name: str, size: int, source: str) -> None:
        """Raises SetupError if the name has another size already."""
        if name in _NO_NAMES:
            return
        other_size, other_source = self._sizes.setdefault(name, (size, source))
        if other_size != size:
            raise SetupError(
                f"dimension {name!r} is {other_size} by {other_source}, but {size} by {source}"
            )

    def get(self, name: str) -> int | None:
        return self._sizes.get(name, (None, ""))[0]


class _Input:
    """One input. `sides` are its sizes, None where they are open; None without a shape. `names`
    are those of its sides, empty for a side without a name."""

    def __init__(self, value: onnx.ValueInfoProto, file: Path) -> None:
        if not value.type.HasField("tensor_type"):
            kind = value.type.WhichOneof("value") or "unknown"
            raise SetupError(
                f"{file}: input {value.name!r} is no tensor ({kind.removesuffix('_type')}), so it "
                "cannot be filled"
            )
        self._name = value.name
        self._file = file
        self._type = value.type.tensor_type
        self.sides: list[int | None] | None = None
        self.names: list[str] = []
        if self._type.HasField("shape"):
            dims = self._type.shape.dim
            self.sides = [dim.dim_value if dim.dim_value > 0 else None for dim in dims]
            self.names = [dim.dim_param for dim in dims]

    @property
    def is_batch(self) -> bool:
        """Whether the first side is open."""
        return self.sides is None or self.sides[:1] == [None]

    @property
    def is_complete(self) -> bool:
        return self.sides is not None and None not in self.sides

    @property
    def open_names(self) -> set[str]:
        """The names of the open sides, an empty one for a side without a name."""
        if self.sides is None:
            return {""}
        return {name for name, side in zip(self.names, self.sides, strict=True) if side is None}

    def set_shape(self, shape: tuple[int, ...], sizes: _NamedSizes) -> None:
        sides = _all_open(len(shape)) if self.sides is None else self.sides
        if len(shape) != len(sides):
            raise SetupError(
                f"--shape {self._name}: {len(shape)} sizes for an input with {len(sides)} "
                "dimensions"
            )
        for index, (side, size) in enumerate(zip(sides, shape, strict=True)):
            if side is not None and side != size:
                raise SetupError(
                    f"--shape {self._name}: dimension {index} is {side} in {self._file}, got "
                    f"{size}"
                )
        for name, size in zip(self.names, shape, strict=False):
            sizes.bind(name, size, f"--shape {self._name}")
        self.sides = list(shape)

    def set_batch(self, batch: int | None, default: int, sizes: _NamedSizes) -> None:
        if not self.sides or self.sides[0] is not None:
            return
        size = batch or sizes.get(self.names[0]) or default
        sizes.bind(self.names[0], size, "--batch")
        self.sides[0] = size

    def set_named(self, sizes: _NamedSizes) -> None:
        for index, name in enumerate(self.names):
            if self.sides is not None and self.sides[index] is None:
                self.sides[index] = sizes.get(name)

    def problem(self) -> str:
        """What is open, and the option that sets it."""
        sides = _all_open(len(_EXAMPLE_SHAPE)) if self.sides is None else self.sides
        option = f"--shape {self._name}={'x'.join(map(str, _example(sides)))}"
        if self.sides is None:
            return f"input {self._name!r} has no shape; set it with {option}"
        index = self.sides.index(None)
        label = f" ({self.names[index]})" if self.names[index] else ""
        return f"dimension {index}{label} of input {self._name!r} is open; set it with {option}"

    def write(self) -> tuple[int, ...]:
        shape = tuple(side for side in self.sides or () if side is not None)
        del self._type.shape.dim[:]
        self._type.shape.SetInParent()
        for side in shape:
            self._type.shape.dim.add().dim_value = side
        return shape


def _all_open(rank: int) -> list[int | None]:
    return [None] * rank


def _example(sides: Sequence[int | None]) -> Iterator[int]:
    is_image = len(sides) == len(_EXAMPLE_SHAPE)
    for index, side in enumerate(sides):
        yield side or (_EXAMPLE_SHAPE[index] if is_image else _EXAMPLE_LENGTH)
