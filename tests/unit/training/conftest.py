"""Records whose latency follows a rule: a comb that steps every 16 channels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pytest

from lpnet.schemas import ops as wire
from lpnet.schemas.workload import Kind
from lpnet.space.table import OpTable
from lpnet_service.training import Record
from lpnet_service.training.threads import one_thread

MakeRecords = Callable[..., list[Record]]
SPACE = "c" * 64


def _block(outer: int, inner: int) -> list[wire.Op]:
    side = {"h": 14, "w": 14}
    return [
        wire.Conv2d(c_in=outer, c_out=inner, kernel=(1, 1), **side),
        wire.Activation(c_in=inner, c_out=inner, function="relu", **side),
        wire.Conv2d(c_in=inner, c_out=outer, kernel=(1, 1), **side),
    ]


def _table(widths: Sequence[int]) -> OpTable:
    """One block per inner width; the first is the outer one."""
    outer, *inner = widths
    return OpTable.from_ops([op for width in inner for op in _block(outer, width)])


def comb_ms(table: OpTable) -> float:
    """0.05 ms a call, and ms by padded channels for convs."""
    padded = 16 * np.ceil(table.b_in / 16) * 16 * np.ceil(table.b_out / 16)
    conv = np.array([row.type == "conv2d" for row in table.rows])
    return 0.05 + float((1e-4 * padded * conv).sum())


def _record(
    kind: Kind,
    widths: Sequence[int],
    held_out: bool,
    draw: str | None,
    names: Sequence[str],
) -> Record:
    table = _table(widths)
    named: Mapping[str, int] = dict(zip(names, widths, strict=True))
    key = f"{kind} {sorted(named.items())}"
    return Record(key, kind, table, 1, comb_ms(table), draw, SPACE, named, held_out)


@pytest.fixture(scope="package", autouse=True)
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="session")
def make_records() -> MakeRecords:
    """`blocks` blocks and `networks` networks of three blocks, every third workload held out."""

    def make(blocks: int, networks: int, seed: int = 0) -> list[Record]:
        rng = np.random.default_rng(seed)
        names = ("outer", "a", "b", "c")
        found: dict[str, Record] = {}
        # No workload twice, so that what is left out is never seen under another number.
        while len(found) < blocks + networks:
            i = len(found)
            network = i >= blocks
            widths = rng.integers(4, 145, 4 if network else 2).tolist()
            if i % 2:
                widths = [16 * -(-width // 16) for width in widths]
            record = _record(
                "network" if network else "block",
                widths,
                i % 3 == 2,
                ("random", "aligned")[i % 2] if network else None,
                names[: len(widths)],
            )
            found.setdefault(record.key, record)
        return list(found.values())

    return make


@pytest.fixture(scope="session")
def records(make_records: MakeRecords) -> list[Record]:
    return make_records(90, 45)
