"""The kernels that a runtime makes of an op table, and the neighbours of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lpnet.model.op_types import ABSORBING, FREE, PASSING, describe_op, kernel_type
from lpnet.space.table import OpTable


@dataclass(frozen=True)
class Kernel:
    """One priced kernel.

    `row` is its row of the table: for edge_in the first row that reads this input, for
    edge_out the last row, for call none (-1). `function` is that of the activation it absorbs or
    is; None without one. `producer` and `consumer` are the rows of the nearest kernels before and
    after it that change the channel axis; -1 without one. `outputs` counts the network's outputs
    for edge_out.
    """

    type: str
    row: int
    function: str | None = None
    producer: int = -1
    consumer: int = -1
    consumers: int = 1
    before_add: bool = False
    outputs: int = 1


def kernels(table: OpTable) -> tuple[Kernel, ...]:
    """The kernels of a table in order, then an edge_in per input, edge_out and call."""
    consumers = _consumers(table)
    absorbed = absorbed_rows(table)
    priced = []
    for index, row in enumerate(table.rows):
        if row.type == FREE or index in absorbed:
            continue
        readers = consumers[index]
        function = row.function if row.type == "activation" else None
        tail = index
        if len(readers) == 1 and readers[0] in absorbed:
            tail = readers[0]
            function, readers = table.rows[tail].function, consumers[tail]
        priced.append(
            Kernel(
                type=kernel_type(table, index),
                row=index,
                function=function,
                producer=_before(table, index),
                consumer=_after(table, consumers, readers),
                consumers=len(readers),
                before_add=any(_ends_in(table, tail, reader) for reader in readers),
            )
        )
    last = len(table.rows) - 1
    outputs = sum(not readers for readers in consumers)
    leaving = Kernel("edge_out", last, producer=_through(table, last), outputs=outputs)
    return (*priced, *_entries(table, consumers), leaving, Kernel("call", -1))


def absorbed_rows(table: OpTable) -> frozenset[int]:
    """Activations that run inside the kernel before them. They are its only consumer."""
    consumers = _consumers(table)
    absorbed = set()
    for index, row in enumerate(table.rows):
        if row.type != "activation" or len(row.inputs) != 1 or row.inputs[0] < 0:
            continue
        source = row.inputs[0]
        if table.rows[source].type in ABSORBING and consumers[source] == [index]:
            absorbed.add(index)
    return frozenset(absorbed)


def coverage(table: OpTable) -> tuple[str, ...]:
    absorbed = absorbed_rows(table)
    ops = (describe_op(table, index, index in absorbed) for index in range(len(table.rows)))
    return tuple(dict.fromkeys(op for op in ops if op is not None))


def _entries(table: OpTable, consumers: list[list[int]]) -> Iterator[Kernel]:
    inputs = {source for row in table.rows for source in row.inputs if source < 0}
    for source in sorted(inputs | {-1}, reverse=True):
        readers = [i for i, row in enumerate(table.rows) if source in row.inputs]
        row = readers[0] if readers else 0
        yield Kernel("edge_in", row, consumer=_after(table, consumers, readers))


def _ends_in(table: OpTable, tail: int, reader: int) -> bool:
    # An add that a skip connection reaches later does not count.
    row = table.rows[reader]
    return row.type == "add" and max(row.inputs) == tail


def _consumers(table: OpTable) -> list[list[int]]:
    readers: list[list[int]] = [[] for _ in table.rows]
    for index, row in enumerate(table.rows):
        for source in dict.fromkeys(row.inputs):
            if source >= 0:
                readers[source].append(index)
    return readers


def _before(table: OpTable, index: int) -> int:
    """The nearest channel-changing row before a row, along its latest inputs, or -1."""
    inputs = table.rows[index].inputs
    return _through(table, max(inputs)) if inputs else -1


def _through(table: OpTable, index: int) -> int:
    while index >= 0 and table.rows[index].type in PASSING:
        index = max(table.rows[index].inputs, default=-1)
    return max(index, -1)


def _after(table: OpTable, consumers: list[list[int]], readers: list[int]) -> int:
    """The nearest channel-changing row after a row, along its earliest readers, or -1."""
    while readers:
        index = min(readers)
        if table.rows[index].type not in PASSING:
            return index
        readers = consumers[index]
    return -1
