"""Lists of ops that people write by hand: files that `lpnet predict --ops` prices.

A file is JSON: a list of ops, or an object `{"ops": [...], "batch": n}`. The ops are those of
samples. Three things are written more shortly here: one number stands for a pair of equal ones,
`padding` may be "same", and `bias` is accepted, since its cost is part of the op.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lpnet.errors import FileFormatError
from lpnet.schemas import ops as wire
from lpnet.schemas.ops import Op, output_size, window_span
from lpnet.schemas.workload import OpsWorkload
from lpnet.text_file import open_text

_PAIRS = ("kernel", "stride", "padding", "dilation")
_WITH_BIAS = ("conv2d", "conv_transpose2d", "linear")
_WITH_WINDOW = ("conv2d", "pool")


def read(path: Path, batch: int | None = None) -> OpsWorkload:
    """The ops of a file; `batch` replaces the batch size that it states.

    Raises FileFormatError, naming the op and the field, for what is no list of ops, and for ops
    whose shapes do not follow from those before.
    """
    try:
        with open_text(path) as file:
            content = json.load(file)
    except json.JSONDecodeError as error:
        raise FileFormatError(f"{path}: not JSON: {error}") from error
    try:
        workload = parse(content, batch)
    except ValueError as error:
        raise FileFormatError(f"{path}: {error}") from error
    return workload


def parse(content: Any, batch: int | None = None) -> OpsWorkload:
    """Raises ValueError, naming the op and the field."""
    fields = dict(content) if isinstance(content, dict) else {"ops": content}
    if not isinstance(fields.get("ops"), list):
        raise ValueError('expected a list of ops, or {"ops": [...], "batch": n}')
    fields["ops"] = [_full(index, op) for index, op in enumerate(fields["ops"])]
    if batch is not None:
        fields["batch"] = batch
    try:
        # As JSON: lists are pairs there.
        workload = OpsWorkload.model_validate_json(json.dumps(fields))
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{_path(first['loc'])}: {first['msg']}") from error
    problem = next(mismatches(workload.ops), None)
    if problem is not None:
        raise ValueError(problem)
    return workload


def mismatches(ops: Sequence[Op]) -> Iterator[str]:
    """Ops whose input is not the output of the ops that they read, each with the reason."""
    for index, op in enumerate(ops):
        sources = op.inputs if op.inputs is not None else (index - 1,)
        known = [ops[source] for source in sources if source >= 0]
        reason = None
        if known and len(known) == len(sources):
            reason = _mismatch(op, known)
        elif known and sources[0] >= 0:
            reason = _mismatch(op, known[:1]) if not _merges(op) else None
        if reason:
            names = ", ".join(f"ops[{source}]" for source in sources)
            yield f"ops[{index}] ({op.type}): {reason}, as {names} gives"


def _merges(op: Op) -> bool:
    return isinstance(op, wire.Add | wire.Mul | wire.Concat)


def _mismatch(op: Op, sources: Sequence[Op]) -> str | None:
    """What an op must have instead; None if it fits."""
    shapes = [(source.c_out, *output_size(source)) for source in sources]
    if any(_is_unsure(source) for source in sources):
        # Only the channels are certain.
        return None if _merges(op) else _channels(op, shapes[0][0])
    if isinstance(op, wire.Concat):
        total = sum(channels for channels, _, _ in shapes)
        return None if op.c_out == total else f"c_out must be {total}, got {op.c_out}"
    if isinstance(op, wire.Add | wire.Mul):
        largest = max(shapes, key=lambda shape: shape[0] * shape[1] * shape[2])
        return _sizes(op, *largest)
    if isinstance(op, wire.MatMul | wire.Move | wire.Opaque | wire.Reduce):
        values, needed = op.c_in * op.h * op.w, shapes[0][0] * shapes[0][1] * shapes[0][2]
        return None if values == needed else f"c_in * h * w must be {needed}, got {values}"
    return _sizes(op, *shapes[0])


def _is_unsure(source: Op) -> bool:
    """Whether the size of an op's output is not known for certain."""
    if isinstance(source, wire.Resize):
        return source.scale is None
    if isinstance(source, wire.Pool) and source.mode == "global":
        return False
    windowed = isinstance(source, wire.Conv2d | wire.ConvTranspose2d | wire.Pool)
    return windowed and getattr(source, "padding", None) is None


def _channels(op: Op, channels: int) -> str | None:
    return None if op.c_in == channels else f"c_in must be {channels}, got {op.c_in}"


def _sizes(op: Op, channels: int, h: int, w: int) -> str | None:
    if (op.c_in, op.h, op.w) == (channels, h, w):
        return None
    got = f"{op.c_in}, {op.h} and {op.w}"
    return f"c_in, h and w must be {channels}, {h} and {w}, got {got}"


def _full(index: int, op: Any) -> dict[str, Any]:
    """An op with pairs, a padding in numbers, and without a bias."""
    if not isinstance(op, dict):
        raise ValueError(f"ops[{index}]: expected an object, got {json.dumps(op)[:60]}")
    fields = dict(op)
    for name in _PAIRS:
        if isinstance(fields.get(name), int) and not isinstance(fields[name], bool):
            fields[name] = [fields[name]] * 2
    if fields.get("type") in _WITH_BIAS:
        bias = fields.pop("bias", None)
        if not isinstance(bias, bool | None):
            raise ValueError(f"ops[{index}].bias: must be true or false, got {json.dumps(bias)}")
    if fields.get("padding") == "same":
        fields["padding"] = _same_padding(index, fields)
    return fields


def _same_padding(index: int, fields: dict[str, Any]) -> list[int]:
    if fields.get("type") not in _WITH_WINDOW:
        raise ValueError(f'ops[{index}].padding: "same" is for conv2d and pool')
    pairs = []
    for name, default in (("kernel", None), ("dilation", [1, 1])):
        pair = fields.get(name, default)
        if not isinstance(pair, list) or len(pair) != 2 or not all(type(n) is int for n in pair):
            raise ValueError(f"ops[{index}].{name}: must be one or two whole numbers")
        pairs.append(pair)
    spans = [window_span(k, d) for k, d in zip(*pairs, strict=True)]
    if any(span % 2 == 0 for span in spans):
        raise ValueError(
            f'ops[{index}].padding: "same" needs an odd window, which is {spans[0]} x {spans[1]}; '
            "write the padding in numbers, or null if it is unknown"
        )
    return [span // 2 for span in spans]


def _path(parts: Sequence[int | str]) -> str:
    """("ops", 0, "conv2d", "c_in") as ops[0].c_in."""
    text = ""
    for position, part in enumerate(parts):
        if isinstance(part, int):
            text += f"[{part}]"
        elif position != 2 or parts[0] != "ops":
            text += f".{part}" if text else part
    return text or "ops"
