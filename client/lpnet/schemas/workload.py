"""Workloads: what is timed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from lpnet.schemas.base import SpaceHash, Widths, Wire
from lpnet.schemas.ops import Add, Mul, Op

Kind = Literal["block", "network"]
Batch = Annotated[int, Field(ge=1, le=100_000)]


class OpsWorkload(Wire):
    """A block or network given op by op; needs no space."""

    ops: tuple[Op, ...] = Field(
        min_length=1, max_length=10_000, description="the ops in execution order"
    )
    batch: Batch = Field(default=1, description="inferences run at once")

    @model_validator(mode="after")
    def _inputs_are_earlier_ops(self) -> OpsWorkload:
        for index, op in enumerate(self.ops):
            for source in op.inputs or ():
                if source >= index:
                    raise ValueError(f"ops[{index}].inputs: {source} is not an earlier op")
        return self

    @model_validator(mode="after")
    def _what_is_merged_is_alike(self) -> OpsWorkload:
        for index, op in enumerate(self.ops):
            if not isinstance(op, Add | Mul):
                continue
            for source in op.inputs or ():
                # Of the workload's own input (-1) nothing is said.
                if source >= 0 and self.ops[source].c_out != op.c_in:
                    raise ValueError(
                        f"ops[{index}].inputs: op {source} gives {self.ops[source].c_out} "
                        f"channels, this {op.type} takes {op.c_in}"
                    )
        return self


class SpaceWorkload(Wire):
    """A space, or one block of it, at concrete widths."""

    space: SpaceHash = Field(description="content hash of the space")
    block: str | None = Field(default=None, description="name of the block; null: the network")
    widths: Widths = Field(description="kept channels by width name, of every width involved")
    batch: Batch = Field(default=1, description="inferences run at once")


def _form(value: Any) -> str:
    if isinstance(value, dict):
        return "ops" if "ops" in value else "space"
    return "ops" if isinstance(value, OpsWorkload) else "space"


Workload = Annotated[
    Annotated[OpsWorkload, Tag("ops")] | Annotated[SpaceWorkload, Tag("space")],
    Discriminator(_form),
]


def workload_key(workload: OpsWorkload | SpaceWorkload) -> str:
    """The same workload always has the same key, whatever the order of its widths."""
    return hashlib.sha256(_text(workload).encode()).hexdigest()


def keys_along(workload: SpaceWorkload, width: str, values: Sequence[int]) -> list[str]:
    """Keys of a workload with one of its widths at each of the values."""
    one, other = (
        _text(workload.model_copy(update={"widths": workload.widths | {width: digit}}))
        for digit in (0, 1)
    )
    place = next(i for i, pair in enumerate(zip(one, other, strict=True)) if len(set(pair)) > 1)
    head, tail = hashlib.sha256(one[:place].encode()), one[place + 1 :]
    keys = []
    for value in values:
        digest = head.copy()
        digest.update(f"{value}{tail}".encode())
        keys.append(digest.hexdigest())
    return keys


def _text(workload: OpsWorkload | SpaceWorkload) -> str:
    return json.dumps(workload.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
