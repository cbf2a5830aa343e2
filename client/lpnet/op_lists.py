"""Lists of ops that people write by hand: those that `lpnet predict --ops` prices, and samples.

A file is JSON: a list of ops, or an object `{"ops": [...], "batch": n}`. Three things may be
written more shortly: one number stands for a pair of equal ones, `padding` may be "same", and
`bias` is accepted, since its cost is part of the op.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lpnet.errors import FileFormatError
from lpnet.op_shapes import mismatches
from lpnet.schemas.ops import window_span
from lpnet.schemas.sample import Sample
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
    fields["ops"] = _expanded(fields["ops"])
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


def expanded_line(line: str) -> str:
    """The JSON of a sample, with the ops of its workload in full.

    Other lines are returned as they are. Raises ValueError, naming the op and the field.
    """
    if '"ops"' not in line:
        return line
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return line
    workload = content.get("workload") if isinstance(content, dict) else None
    if not isinstance(workload, dict) or not isinstance(ops := workload.get("ops"), list):
        return line
    full = {**content, "workload": {**workload, "ops": _expanded(ops)}}
    return json.dumps(full)


def sample_errors(samples: Iterable[Sample]) -> dict[int, str]:
    """The samples, by index, whose ops have shapes that do not follow from one another, with the
    reason."""
    errors = {}
    for index, sample in enumerate(samples):
        if isinstance(sample.workload, OpsWorkload):
            problem = next(mismatches(sample.workload.ops), None)
            if problem is not None:
                errors[index] = f"workload.{problem}"
    return errors


def _expanded(ops: Sequence[Any]) -> list[dict[str, Any]]:
    return [_full(index, op) for index, op in enumerate(ops)]


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
