"""Workloads: the blocks and networks that are timed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from lpnet.schemas.base import Batch, SpaceHash, Widths, Wire
from lpnet.schemas.ops import Add, Mul, Op, output_size

Kind = Literal["block", "network"]


class OpsWorkload(Wire):
    """A block or network as a list of ops, without a space."""

    ops: tuple[Op, ...] = Field(
        min_length=1, max_length=10_000, description="the ops in execution order"
    )
    batch: Batch = Field(default=1, description="batch size")

    @model_validator(mode="after")
    def _inputs_are_earlier_ops(self) -> OpsWorkload:
        for index, op in enumerate(self.ops):
            for source in op.inputs or ():
                if source >= index:
                    raise ValueError(f"ops[{index}].inputs: {source} is not an earlier op")
        return self

    @model_validator(mode="after")
    def _merged_inputs_match(self) -> OpsWorkload:
        for index, op in enumerate(self.ops):
            if not isinstance(op, Add | Mul):
                continue
            for source in op.inputs or ():
                # The channels of the workload's inputs are unknown, and those of a tensor of
                # another size may be another axis. Fewer channels are broadcast.
                if source < 0 or output_size(self.ops[source]) != (op.h, op.w):
                    continue
                if op.c_in % self.ops[source].c_out:
                    raise ValueError(
                        f"ops[{index}].inputs: op {source} has {self.ops[source].c_out} output "
                        f"channels, but this {op.type} has {op.c_in} input channels"
                    )
        return self


class SpaceWorkload(Wire):
    """A space, or a block of it, at concrete widths."""

    space: SpaceHash = Field(description="content hash of the space")
    block: str | None = Field(default=None, description="name of the block; null: the network")
    widths: Widths = Field(
        description="kept channels by width name, for all widths of the space or block"
    )
    batch: Batch = Field(default=1, description="batch size")


def _tag(value: Any) -> str:
    if isinstance(value, dict):
        return "ops" if "ops" in value else "space"
    return "ops" if isinstance(value, OpsWorkload) else "space"


Workload = Annotated[
    Annotated[OpsWorkload, Tag("ops")] | Annotated[SpaceWorkload, Tag("space")],
    Discriminator(_tag),
]


def workload_key(workload: OpsWorkload | SpaceWorkload) -> str:
    """Does not depend on the order of the widths."""
    return hashlib.sha256(_text(workload).encode()).hexdigest()


def keys_along(workload: SpaceWorkload, width: str, values: Sequence[int]) -> list[str]:
    first, second = (
        _text(workload.model_copy(update={"widths": workload.widths | {width: digit}}))
        for digit in (0, 1)
    )
    pairs = enumerate(zip(first, second, strict=True))
    position = next(index for index, characters in pairs if len(set(characters)) > 1)
    head, tail = hashlib.sha256(first[:position].encode()), first[position + 1 :]
    keys = []
    for value in values:
        digest = head.copy()
        digest.update(f"{value}{tail}".encode())
        keys.append(digest.hexdigest())
    return keys


def _text(workload: OpsWorkload | SpaceWorkload) -> str:
    return json.dumps(workload.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
