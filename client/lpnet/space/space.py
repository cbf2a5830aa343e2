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

from lpnet.errors import FileFormatError, MissingExtra, SpaceError
from lpnet.schemas import ops as wire
from lpnet.space import files, onnx_file, onnx_writer
from lpnet.space.axis import Width
from lpnet.space.blocks import Block, partition
from lpnet.space.coupling import solve
from lpnet.space.fill import Filler
from lpnet.space.limits import MOST_PARAMETERS
from lpnet.space.memory import MemoryNeed
from lpnet.space.onnx_reader.recognise import recognise
from lpnet.space.table import OpTable
from lpnet.space.template import Template
from lpnet.space.widths import Widths, vector

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Block", "Frozen", "Space", "Width"]


@dataclass(frozen=True)
class Frozen:
    """A node whose channels cannot be pruned, and why.

    No space has one yet: what cannot be pruned makes `Space.from_model` raise UnsupportedOp.
    """

    node: str
    op: str
    reason: str


@dataclass(frozen=True, eq=False)
class Space:
    """A prunable network, or a block of one. Immutable.

    `widths` are its variables in execution order; `blocks` partition the rows of `table`. A width
    vector holds the kept channels of every width, in that order. `batch` is the batch size it is
    measured at unless another is asked for. `frozen` is empty for now: any op or coupling that is
    not supported makes `from_model` raise UnsupportedOp instead.
    """

    name: str
    template: Template
    blocks: tuple[Block, ...]
    batch: int = 1
    frozen: tuple[Frozen, ...] = field(default=())

    @classmethod
    def from_model(cls, model: nn.Module, example_input: Tensor, name: str | None = None) -> Space:
        """The space of a torch model.

        `example_input` has shape (batch, channels, height, width), or (batch, features), and
        fixes batch size and resolution. The model is exported in evaluation mode and left as it
        was. `name` defaults to the class of the model.

        Raises UnsupportedOp, naming node and op, for an op or a coupling that lpnet does not
        know, SpaceError for what is no model or that torch cannot export, MissingExtra without
        torch.
        """
        with _extra("Space.from_model"):
            from lpnet.space.trace import trace
        graph = recognise(trace(model, example_input))
        solution = solve(graph)
        template = Template(graph, solution.widths, solution.input, solution.axes)
        title = type(model).__name__ if name is None else name
        return cls(title, template, partition(graph.nodes), int(example_input.shape[0]))

    @classmethod
    def from_bytes(cls, data: bytes) -> Space:
        """A space from the bytes of its file; FileFormatError if they are not one."""
        content = files.from_bytes(data)
        space = cls(content.name, content.template, content.blocks, content.batch)
        if space.hash != content.hash:
            raise FileFormatError("the space file is damaged: its content is not what it was")
        space._check_numbers()
        return space

    def _check_numbers(self) -> None:
        """Raises FileFormatError where some legal widths make ops that nobody could measure."""
        try:
            # An op is affine in the widths: what holds at these holds at all multiples.
            for times in (1, 2):
                self.ops([min(times * width.granule, width.max) for width in self.widths])
            self.ops(self.dense)
        except ValueError as error:
            raise FileFormatError(f"the space file is damaged: {error!s:.1000}") from error
        if self.params(self.dense) > MOST_PARAMETERS:
            raise FileFormatError(
                f"a space may have {MOST_PARAMETERS / 1e6:.0f} million parameters"
            )

    def to_bytes(self) -> bytes:
        """The space as a file: an ONNX model, the same bytes for the same space."""
        data: bytes = self.to_onnx().SerializeToString(deterministic=True)
        return data

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Space:
        """A space from its file; FileFormatError if it is not one, OSError if it is not there."""
        return cls.from_bytes(Path(path).read_bytes())

    def save(self, path: str | PathLike[str]) -> None:
        """Write the space to a file that `load` and any ONNX tool can read."""
        Path(path).write_bytes(self.to_bytes())

    def to_onnx(self) -> onnx.ModelProto:
        """The template: weights are inputs whose channel dimensions carry symbolic names."""
        return files.to_model(
            files.Content(self.name, self.batch, self.hash, self.template, self.blocks)
        )

    @property
    def widths(self) -> tuple[Width, ...]:
        return self.template.widths

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the input, with every width at its max; height and
        width are 1 where the input is (batch, features)."""
        graph = self.template.graph
        return graph.c, graph.h, graph.w

    @cached_property
    def table(self) -> OpTable:
        """The ops with the affine maps of their channels."""
        return self.template.table()

    @cached_property
    def hash(self) -> str:
        """sha256 of the content, as hex: graph, resolution, widths and blocks, but neither name
        nor batch size."""
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

        Raises SpaceError for what is not a whole number of at least 1, and where the network has
        only one resolution, or does not fit in it.
        """
        space = self
        if batch is not None:
            space = replace(space, batch=_positive("batch", batch))
        if resolution is not None:
            sides = resolution if isinstance(resolution, Sequence) else (resolution, resolution)
            if len(sides) != 2:
                raise SpaceError(f"resolution: {resolution!r} is not a height and a width")
            h, w = (_positive("resolution", side) for side in sides)
            space = replace(space, template=self.template.resized(h, w))
        return space

    def block(self, name: str) -> Space:
        """A block as a space of its own, with only its widths, ops and weights.

        Widths keep their names. Raises SpaceError if there is no such block.
        """
        try:
            return self._parts[name]
        except KeyError:
            raise SpaceError(
                f"space {self.name!r} has no block {name!r}; it has "
                f"{', '.join(block.name for block in self.blocks)}"
            ) from None

    @cached_property
    def _parts(self) -> dict[str, Space]:
        return {
            block.name: Space(
                block.name,
                self.template.slice(block.start, block.stop),
                (Block(block.name, 0, block.stop - block.start),),
                self.batch,
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
        """Widths, by name or in order, as a vector in order.

        Raises WidthsError, naming the width, for one that is unknown, missing, not a whole
        number, out of range or off its granule.
        """
        return vector(self.widths, widths)

    def named(self, widths: Widths) -> dict[str, int]:
        """Widths by name; checked like `vector`."""
        values = self.vector(widths)
        return {width.name: int(v) for width, v in zip(self.widths, values, strict=True)}

    def ops(self, widths: Widths) -> tuple[wire.Op, ...]:
        """The ops at concrete widths, as they travel. Raises WidthsError."""
        return self.table.ops(self.vector(widths).astype(np.float64))

    def macs(self, widths: Widths) -> int:
        """Multiply-accumulates of conv and linear in one inference of one input."""
        return round(float(self.table.macs(self.vector(widths).astype(np.float64))))

    def params(self, widths: Widths) -> int:
        """Parameters after folding BatchNorm: each conv and linear has one bias per channel."""
        return round(float(self.table.params(self.vector(widths).astype(np.float64))))

    def memory(self, widths: Widths, *, batch: int | None = None, element_bytes: int = 4) -> int:
        """Bytes of the weights and of the activations that are alive at once, where a number
        takes `element_bytes`; `lpnet.space.memory` says what that leaves out. Raises WidthsError,
        and SpaceError for a batch that is not a whole number of at least 1."""
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

        For inputs of unit variance activations stay finite and of normal size, in fp16 too. The
        same arguments give the same model. Raises WidthsError, and SpaceError for a batch that is
        not a whole number of at least 1.
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
        """Write what `concrete` makes to a file, weight by weight: it takes a few MB of memory,
        however large the network. Raises what `concrete` raises, and OSError."""
        model, weights = self._without_values(widths, batch)
        with Path(path).open("wb") as file:
            onnx_file.write(file, model)
            for place, weight in enumerate(weights):
                pieces = self._filler.pieces(weight, place, seed)
                onnx_file.append(file, weight.name, weight.shape, pieces)

    def _without_values(
        self, widths: Widths, batch: int | None
    ) -> tuple[onnx.ModelProto, list[onnx_writer.Weight]]:
        """The network at concrete widths, and the weights that are to be added to it."""
        named = self.named(widths)
        batch = self.batch if batch is None else _positive("batch", batch)
        made = onnx_writer.parts(self.template, named)
        ends = onnx_writer.ends(self.template, named, batch)
        return onnx_writer.assemble(self.name, made, ends), made.weights

    @cached_property
    def _filler(self) -> Filler:
        return Filler(self.template)

    def prune(self, model: nn.Module, kept: Mapping[str, Sequence[int]]) -> nn.Module:
        """A copy of a model with channels physically removed.

        `model` is the one the space was made from, or one of the same structure; `kept` gives, by
        width name, the indices of the channels that stay; a width that is not named stays whole.
        Raises WidthsError for indices that are wrong, SpaceError for a model that does not fit,
        MissingExtra without torch.
        """
        with _extra("Space.prune"):
            from lpnet.space.prune import prune
        return prune(self.template, model, kept)


def _positive(name: str, value: Any) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise SpaceError(f"{name}: {value!r} is not a whole number") from None
    if isinstance(value, bool) or number < 1:
        raise SpaceError(f"{name}: {value!r} is not a whole number of at least 1")
    return number


@contextmanager
def _extra(what: str) -> Iterator[None]:
    """Say which extra is missing, rather than which module."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtra(what, "client", error.name or "torch") from error
