"""Space: a prunable network as a template whose channel counts are variables."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from numpy.typing import NDArray

from lpnet.errors import FileFormatError, MissingExtra, SpaceError, WidthsError
from lpnet.schemas import ops as wire
from lpnet.space import files, onnx_file, onnx_writer
from lpnet.space.axis import Width
from lpnet.space.blocks import Block
from lpnet.space.compiling import Frozen
from lpnet.space.content import Content
from lpnet.space.fill import Filler
from lpnet.space.kept import atom_channels
from lpnet.space.limits import MAX_PARAMETERS
from lpnet.space.memory import MemoryNeed
from lpnet.space.onnx_parts import Weight
from lpnet.space.parameter_counts import ParameterCounts, RowParameters
from lpnet.space.solver.state import Event
from lpnet.space.table import OpTable
from lpnet.space.template import Template
from lpnet.space.widths import Widths, vector

if TYPE_CHECKING:
    from torch import nn

    from lpnet.space.trace import Example

__all__ = ["Block", "Frozen", "Space", "Width"]


@dataclass(frozen=True, eq=False)
class Space:
    """A prunable network, or a block of one. Immutable.

    `widths` are its variables in execution order. A width vector holds the kept channels of each
    width, in that order. `blocks` partition the rows of `table`. `batch` is the default batch size
    for measuring. `frozen` lists what keeps channels of layers, in execution order, and `channels`
    is the number of output channels of all layers. Both are empty in blocks, and in a space from a
    file of an older lpnet. `parameters` are those of rows that do not hold what their op and
    channels say.
    """

    name: str
    template: Template
    blocks: tuple[Block, ...]
    batch: int = 1
    frozen: tuple[Frozen, ...] = field(default=())
    channels: int = 0
    parameters: tuple[RowParameters, ...] = field(default=())

    @classmethod
    def from_model(
        cls,
        model: nn.Module,
        example_input: Example,
        name: str | None = None,
        frozen: Sequence[str] = (),
    ) -> Space:
        """The space of a torch model.

        `example_input` is a tensor, or a tuple or dict of tensors, with the batch first; it sets
        batch size and resolution. The model is exported in evaluation mode and not changed.
        Copies of it run with channels cut, to find widths that its forward pass fixes.
        `name` defaults to the class name of the model.

        An op without a rule freezes the channels that it touches. `frozen` are patterns of layers
        that keep all their channels, such as "head.*".

        Raises SpaceError if torch cannot export the model, or a pattern matches no layer. Raises
        UnsupportedOp for an op that holds a graph, such as a loop, and MissingExtra without torch.
        """
        with _extra("Space.from_model"):
            from lpnet.space.modelling import compile_model
        title = type(model).__name__ if name is None else name
        return cls(title, *compile_model(model, example_input, frozen))

    @classmethod
    def from_onnx(
        cls,
        path: str | PathLike[str],
        shapes: Mapping[str, Sequence[int]] | None = None,
        name: str | None = None,
        frozen: Sequence[str] = (),
    ) -> Space:
        """The space of an ONNX file of opset 7 or later.

        Weights in files beside it are not read. `shapes` are the shapes of inputs with open sides;
        an open first side is a batch of 1. `frozen` are patterns of layers that keep all channels.
        `name` defaults to the name of the file.

        Raises SpaceError, naming the input, for an open side without a shape, and for a pattern
        that matches no layer. Raises UnsupportedOp for an op that holds a graph, MissingExtra
        without onnxscript, and OSError.
        """
        with _extra("Space.from_onnx"):
            from lpnet.space.compiling import compile_raw
            from lpnet.space.onnx_model import load
        raw = load(path, shapes)
        title = Path(path).stem if name is None else name
        return cls(title, *compile_raw(raw, frozen))

    @classmethod
    def from_bytes(cls, data: bytes) -> Space:
        """A space from the bytes of its file. Raises FileFormatError."""
        content = files.from_bytes(data)
        space = cls(
            content.name,
            content.template,
            content.blocks,
            content.batch,
            content.frozen,
            content.channels,
            content.parameters,
        )
        if space.hash != content.hash:
            raise FileFormatError("the space file is damaged: its content does not match its hash")
        space._check_numbers()
        return space

    def _check_numbers(self) -> None:
        """Raises FileFormatError if some legal widths make invalid ops, or too many parameters."""
        try:
            # Ops are affine in the widths: if these widths are valid, all multiples are.
            for factor in (1, 2):
                self.ops([min(factor * width.granule, width.max) for width in self.widths])
            self.ops(self.dense)
        except ValueError as error:
            raise FileFormatError(f"the space file is damaged: {error!s:.1000}") from error
        dense = self.dense.astype(np.float64)
        if max(self.table.layer_params(dense).sum(), self.table.params(dense)) > MAX_PARAMETERS:
            raise FileFormatError(
                f"a space may have {MAX_PARAMETERS / 1e6:.0f} million parameters"
            )

    def to_bytes(self) -> bytes:
        """The space as a file, an ONNX model. Equal spaces that keep the same channels for the
        same reasons have equal bytes."""
        data: bytes = self.to_onnx().SerializeToString(deterministic=True)
        return data

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Space:
        """A space from its file. Raises FileFormatError, and OSError if it cannot be read."""
        return cls.from_bytes(Path(path).read_bytes())

    def save(self, path: str | PathLike[str]) -> None:
        """Write the space to a file that `load` and any ONNX tool can read."""
        Path(path).write_bytes(self.to_bytes())

    def to_onnx(self) -> onnx.ModelProto:
        """The template as ONNX; weights are inputs with symbolic channel dimensions."""
        return files.to_model(
            Content(
                self.name,
                self.batch,
                self.hash,
                self.template,
                self.blocks,
                self.frozen,
                self.channels,
                self.parameters,
            )
        )

    @property
    def widths(self) -> tuple[Width, ...]:
        return self.template.widths

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the input, with every width at its max.

        Height and width are 1 if the input is (batch, features).
        """
        graph = self.template.graph
        return graph.c, graph.h, graph.w

    @cached_property
    def table(self) -> OpTable:
        """The ops with the affine maps of their channels."""
        table = self.template.table()
        if not self.parameters:
            return table
        return replace(table, parameters=ParameterCounts.of(self.parameters, self.widths))

    @cached_property
    def hash(self) -> str:
        """sha256 of graph, resolution, widths and blocks, as hex; not of name and batch size."""
        return self.template.digest([asdict(block) for block in self.blocks])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Space):
            return NotImplemented
        return (self.hash, self.name, self.batch) == (other.hash, other.name, other.batch)

    def __hash__(self) -> int:
        return hash((self.hash, self.name, self.batch))

    def __repr__(self) -> str:
        c, h, w = self.input_shape
        return (
            f"Space({self.name!r}, {len(self.widths)} widths, {len(self.blocks)} blocks, "
            f"input {self.batch}x{c}x{h}x{w})"
        )

    def at(
        self, batch: int | None = None, resolution: int | tuple[int, int] | None = None
    ) -> Space:
        """The same space at another batch size (same hash) or resolution (another hash).

        Raises SpaceError for numbers that are not positive integers, and if the network does not
        work at this resolution.
        """
        space = self
        if batch is not None:
            space = replace(space, batch=self._checked_batch(batch))
        if resolution is not None:
            sides = resolution if isinstance(resolution, Sequence) else (resolution, resolution)
            if len(sides) != 2:
                raise SpaceError(
                    f"resolution must be a side or (height, width), got {resolution!r}"
                )
            h, w = (_positive("resolution", side) for side in sides)
            space = replace(space, template=self.template.resized(h, w))
        return space

    def block(self, name: str) -> Space:
        """A block as a space of its own, with only its widths, ops and weights.

        Widths keep their names. Raises SpaceError for an unknown block.
        """
        try:
            return self._block_spaces[name]
        except KeyError:
            raise SpaceError(
                f"space {self.name!r} has no block {name!r}; it has "
                f"{', '.join(block.name for block in self.blocks)}"
            ) from None

    @cached_property
    def _block_spaces(self) -> dict[str, Space]:
        return {
            block.name: Space(
                block.name,
                self.template.slice(block.start, block.stop),
                (Block(block.name, 0, block.stop - block.start),),
                self.batch,
                parameters=tuple(
                    replace(entry, row=entry.row - block.start)
                    for entry in self.parameters
                    if block.start <= entry.row < block.stop
                ),
            )
            for block in self.blocks
        }

    @cached_property
    def dense(self) -> NDArray[np.int64]:
        """Every width at its max."""
        dense = np.array([width.max for width in self.widths], dtype=np.int64)
        dense.flags.writeable = False
        return dense

    def vector(self, widths: Widths) -> NDArray[np.int64]:
        """Widths, by name or in order, as a vector in the order of `widths`.

        Raises WidthsError, naming the width, if one is unknown, missing, not an integer, out of
        range or not a multiple of its granule.
        """
        return vector(self.widths, widths)

    def named(self, widths: Widths) -> dict[str, int]:
        """Widths by name; checked like `vector`."""
        values = self.vector(widths)
        return {width.name: int(v) for width, v in zip(self.widths, values, strict=True)}

    def ops(self, widths: Widths) -> tuple[wire.Op, ...]:
        """The ops at concrete widths, in the schema of the wire. Raises WidthsError."""
        return self.table.ops(self.vector(widths).astype(np.float64))

    def macs(self, widths: Widths) -> int:
        """Multiply-accumulates of conv and linear ops for an inference of a single input."""
        return round(float(self.table.macs(self.vector(widths).astype(np.float64))))

    def params(self, widths: Widths) -> int:
        """Parameters that the forward pass of the model reads. A shared one counts once, and a
        BatchNorm that is folded into a layer counts as the bias of that layer."""
        return round(float(self.table.params(self.vector(widths).astype(np.float64))))

    def memory(self, widths: Widths, *, batch: int | None = None, element_bytes: int = 4) -> int:
        """Bytes of the weights and of the activations that are alive at the same time.

        A number takes `element_bytes`. `lpnet.space.memory` lists what is not included. Raises
        WidthsError, and SpaceError for a batch that is not a positive integer.
        """
        batch = self.batch if batch is None else _positive("batch", batch)
        vector = self.vector(widths).astype(np.float64)
        return round(float(self._memory.bytes(vector, batch, element_bytes)))

    @cached_property
    def _memory(self) -> MemoryNeed:
        return MemoryNeed(self.table)

    def concrete(
        self, widths: Widths, *, seed: int = 0, batch: int | None = None
    ) -> onnx.ModelProto:
        """The network at concrete widths: an ONNX model with random weights as initializers.

        For inputs of unit variance, activations keep about unit variance, so that they are finite
        in fp16 too. The same arguments give the same model. Raises WidthsError, and SpaceError for
        a batch that is not a positive integer.
        """
        model, weights = self._without_values(widths, batch)
        self._filler.initialize(model.graph, weights, seed)
        return model

    def save_concrete(
        self,
        path: str | PathLike[str],
        widths: Widths,
        *,
        seed: int = 0,
        batch: int | None = None,
    ) -> None:
        """Write the model of `concrete` to a file, weight by weight, within a few MB of memory.

        Raises what `concrete` raises, and OSError.
        """
        model, weights = self._without_values(widths, batch)
        with Path(path).open("wb") as file:
            onnx_file.write(file, model)
            for index, weight in enumerate(weights):
                chunks = self._filler.chunks(weight, index, seed)
                onnx_file.append(file, weight.name, weight.shape, chunks)

    def _without_values(
        self, widths: Widths, batch: int | None
    ) -> tuple[onnx.ModelProto, list[Weight]]:
        named = self.named(widths)
        batch = self.batch if batch is None else self._checked_batch(batch)
        parts = onnx_writer.parts(self.template, named, batch)
        ends = onnx_writer.ends(self.template, named, batch)
        return onnx_writer.assemble(self.name, parts, ends), parts.weights

    def _checked_batch(self, batch: Any) -> int:
        number = _positive("batch", batch)
        if number != self.batch and self.template.keeps_batch:
            raise SpaceError(
                f"this space keeps its batch size of {self.batch}: some of its ops have sizes of "
                "the example input"
            )
        return number

    @cached_property
    def _filler(self) -> Filler:
        return Filler(self.template)

    def atoms(self, name: str) -> list[list[int]]:
        """The channels of a width that are kept or removed together.

        For attention a list holds the channels of a head, and for a grouped conv one channel of
        each group. Raises SpaceError for an unknown width.
        """
        for width in self.widths:
            if width.name == name:
                return atom_channels(width)
        raise SpaceError(f"space {self.name!r} has no width {name!r}")

    def prune_onnx(
        self, model: onnx.ModelProto, kept: Mapping[str, Sequence[int]]
    ) -> onnx.ModelProto:
        """A copy of an ONNX model with channels removed, in the opset of spaces.

        `model` is the one that the space was made from, with its weights, and `kept` is that of
        `prune`. Raises WidthsError for wrong indices, and SpaceError for another model.
        """
        with _extra("Space.prune_onnx"):
            from lpnet.space.prune_onnx import prune_onnx
        self._check_not_frozen(kept)
        shapes = {
            value.name: shape
            for value, (shape, _) in zip(_inputs(model), self.template.inputs, strict=False)
            if _is_open(value)
        }
        return prune_onnx(self.template, model, kept, self._kept_by_name(), shapes)

    def _kept_by_name(self) -> dict[str, Event]:
        """Layers that are frozen for reasons which a graph does not show."""
        return {
            layer: Event(part.node, part.op, part.reason)
            for part in self.frozen
            for layer in part.layers
        }

    def prune(self, model: nn.Module, kept: Mapping[str, Sequence[int]]) -> nn.Module:
        """A copy of a model with channels physically removed.

        `model` has the structure of the model that the space was made from. `kept` maps width
        names to the indices of the channels to keep; other widths keep all channels.

        Raises WidthsError for wrong indices, SpaceError for another structure, and MissingExtra
        without torch.
        """
        with _extra("Space.prune"):
            from lpnet.space.prune import prune
        self._check_not_frozen(kept)
        return prune(self.template, model, kept)

    def _check_not_frozen(self, kept: Mapping[str, Sequence[int]]) -> None:
        names = {width.name for width in self.widths}
        for part in self.frozen:
            if part.node in kept and part.node not in names:
                raise WidthsError(f"{part.node} is frozen: {part.reason}")


def _inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    weights = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in weights]


def _is_open(value: onnx.ValueInfoProto) -> bool:
    """True for an input without a shape, or with a side that is no number."""
    tensor = value.type.tensor_type
    return not tensor.HasField("shape") or any(d.dim_value < 1 for d in tensor.shape.dim)


def _positive(name: str, value: Any) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise SpaceError(f"{name} must be a positive integer, got {value!r}") from None
    if isinstance(value, bool) or number < 1:
        raise SpaceError(f"{name} must be a positive integer, got {value!r}")
    return number


@contextmanager
def _extra(what: str) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtra(what, "client", error.name or "torch") from error
