"""Whether the shapes of a list of ops follow from one another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from lpnet.schemas import ops as wire
from lpnet.schemas.ops import Op, output_size

_WINDOWED = wire.Conv2d | wire.ConvTranspose2d | wire.Pool | wire.Resize
_MERGING = wire.Add | wire.Mul | wire.Concat
# These read their input value by value, whatever its layout.
_ANY_LAYOUT = wire.Move | wire.Opaque | wire.Reduce


class Shape(NamedTuple):
    """Channels, height and width of a tensor. `sure`: the sides are known; `image`: an op with a
    window made it, so its layout is certain."""

    channels: int
    h: int
    w: int
    sure: bool = True
    image: bool = False

    @property
    def values(self) -> int:
        return self.channels * self.h * self.w

    def __str__(self) -> str:
        return f"{self.channels}, {self.h} and {self.w}"


def mismatches(ops: Sequence[Op]) -> Iterator[str]:
    """The ops whose input is not the output of the ops that they read, each with the reason.

    Inputs of the list are not known, so what reads them fits. A tensor of tokens may be read in
    another layout: pixels of a column as those of a row, and the product of several heads as one
    tensor or as one of each head.
    """
    for index, op in enumerate(ops):
        sources = op.inputs if op.inputs is not None else (index - 1,)
        shapes = [_output(ops[source]) if source >= 0 else None for source in sources]
        reason = _mismatch(op, shapes)
        if reason:
            names = ", ".join(f"ops[{source}]" for source in sources)
            yield f"ops[{index}] ({op.type}): {reason}, as {names} gives"


def _output(op: Op) -> Shape:
    image = isinstance(op, _WINDOWED)
    return Shape(op.c_out, *output_size(op), sure=not _is_unsure(op), image=image)


def _is_unsure(op: Op) -> bool:
    """Whether the size of an op's output is not known for certain."""
    if isinstance(op, wire.Resize):
        return op.scale is None
    if isinstance(op, wire.Pool) and op.mode == "global":
        return False
    windowed = isinstance(op, wire.Conv2d | wire.ConvTranspose2d | wire.Pool)
    return windowed and getattr(op, "padding", None) is None


def _mismatch(op: Op, sources: Sequence[Shape | None]) -> str | None:
    """What an op must have instead; None if it fits."""
    if isinstance(op, wire.MatMul):
        return _product(op, sources)
    tensors = [source for source in sources if source is not None]
    if isinstance(op, _MERGING):
        complete = len(tensors) == len(sources) and all(source.sure for source in tensors)
        return _merged(op, tensors) if complete else None
    first = sources[0] if sources else None
    if first is None:
        return None
    if not first.sure:
        # Only the channels are certain.
        return None if op.c_in == first.channels else f"c_in must be {first.channels}, {_got(op)}"
    if isinstance(op, _ANY_LAYOUT):
        values = op.c_in * op.h * op.w
        fits = values == first.values
        return None if fits else f"c_in * h * w must be {first.values}, got {values}"
    return _sizes(op, first)


def _merged(op: wire.Add | wire.Mul | wire.Concat, sources: Sequence[Shape]) -> str | None:
    if not isinstance(op, wire.Concat):
        return _sizes(op, max(sources, key=lambda source: source.values))
    total = sum(source.values for source in sources)
    if op.c_out * op.h * op.w == total:
        return None
    pixels = {source.h * source.w for source in sources}
    if pixels == {op.h * op.w}:
        return f"c_out must be {sum(source.channels for source in sources)}, got {op.c_out}"
    return f"c_out * h * w must be {total}, got {op.c_out * op.h * op.w}"


def _product(op: wire.MatMul, sources: Sequence[Shape | None]) -> str | None:
    """Per head, (rows, summed) times (summed, columns); or its transpose, whose operands are in
    the other order. An operand may be shared by heads."""
    summed, columns = op.c_in // op.groups, op.c_out // op.groups
    sizes = (op.groups * op.h * summed, op.groups * summed * columns)
    for source, ordered in zip(sources[:2], (sizes, sizes[::-1]), strict=False):
        if source is None or any(_is_shared(source.values, size, op.groups) for size in ordered):
            continue
        return (
            f"{op.groups} x ({op.h} x {summed}) times {op.groups} x ({summed} x {columns}) takes "
            f"{sizes[0]} and {sizes[1]} values, got {source.values}"
        )
    return None


def _is_shared(values: int, needed: int, heads: int) -> bool:
    return needed % values == 0 and heads % (needed // values) == 0


def _sizes(op: Op, source: Shape) -> str | None:
    own = Shape(op.c_in, op.h, op.w)
    if own[:3] == source[:3] or _is_other_layout(op, own, source):
        return None
    return f"c_in, h and w must be {source}, got {own}"


def _is_other_layout(op: Op, own: Shape, source: Shape) -> bool:
    """Whether an op reads the tokens of a source in another layout."""
    if source.image or isinstance(op, _WINDOWED) or own.values != source.values:
        return False
    if own.channels == source.channels:
        return 1 in (own.h, own.w) and 1 in (source.h, source.w)
    if isinstance(op, wire.Linear):
        return op.groups > 1
    return source.w == 1 and source.channels % own.channels == 0 and own.h == source.h


def _got(op: Op) -> str:
    return f"got {op.c_in}"
