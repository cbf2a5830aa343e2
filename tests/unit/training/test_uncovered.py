"""Held-out workloads that a model cannot predict: named by batch size, apart from ops."""

from __future__ import annotations

from dataclasses import replace

from lpnet.model.header import Header
from lpnet.model.kernels import coverage
from lpnet.schemas import ops as wire
from lpnet.space.table import OpTable
from lpnet_service.training import Record
from lpnet_service.training.uncovered import covered


def _record(op: wire.Op, batch: int) -> Record:
    return Record("k", "block", OpTable.from_ops([op]), batch, 1.0, None, None, None, True)


def test_batch_sizes_and_ops_are_named_apart() -> None:
    conv = _record(wire.Conv2d(c_in=8, c_out=8, h=8, w=8, kernel=(1, 1)), 1)
    pool = _record(wire.Pool(c_in=8, c_out=8, h=8, w=8, kernel=(2, 2), mode="max"), 1)
    header = Header(target="t", batches=(1, 2), coverage=coverage(conv.table))
    others = [replace(conv, batch=4), replace(conv, batch=4), replace(pool, batch=8)]
    kept, reasons = covered(header, [conv, *others, pool, replace(conv, batch=2)])
    assert [record.batch for record in kept] == [1, 2]
    assert reasons == {
        "held_out.batch": "3 workloads have batch sizes without a training sample (2 of batch 4, "
        "1 of batch 8); there are training samples of batch 1, 2",
        "held_out.uncovered": "1 workloads hold ops that no training sample has: "
        f"{coverage(pool.table)[0]}",
    }
    assert covered(header, [conv]) == ([conv], {})
