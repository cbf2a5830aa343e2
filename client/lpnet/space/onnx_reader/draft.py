"""An op under construction that is written as it was read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from lpnet.space.graph import Node
from lpnet.space.slots import Slot


@dataclass
class Draft:
    name: str
    type: str
    op: str
    domain: str = ""
    function: str = ""
    module: str = ""
    fixed: bool = False
    inputs: list[int] = field(default_factory=list)

    def reference(self, index: int) -> int:
        """The position of a tensor among the inputs, which it joins."""
        if index not in self.inputs:
            self.inputs.append(index)
        return self.inputs.index(index)

    def finish(self, slots: Sequence[Slot], **fields: Any) -> Node:
        return Node(
            name=self.name,
            type=self.type,
            inputs=tuple(self.inputs),
            op=self.op,
            domain=self.domain,
            function=self.function,
            module=self.module,
            fixed=self.fixed,
            slots=tuple(slots),
            **fields,
        )
