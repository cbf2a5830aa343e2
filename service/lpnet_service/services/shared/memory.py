"""Where networks stop fitting in a target's memory."""

from __future__ import annotations

import json
from collections.abc import Iterable

import numpy as np
from pydantic import TypeAdapter

from lpnet.schemas.device import TargetSpec
from lpnet.schemas.memory import MemoryLimits
from lpnet.schemas.workload import OpsWorkload, SpaceWorkload, Workload
from lpnet.space.memory import MIB, MemoryNeed
from lpnet.space.table import OpTable
from lpnet_service.db.rows import TargetRow
from lpnet_service.repositories.memory_failures import MemoryFailureRepository
from lpnet_service.repositories.samples import SampleRepository
from lpnet_service.services.shared import spaces_in_memory
from lpnet_service.services.shared.context import Context

_WORKLOAD: TypeAdapter[OpsWorkload | SpaceWorkload] = TypeAdapter(Workload)
# Of a number, in bytes; where nobody said how it is held, as in fp32.
_BYTES = {"fp16": 2, "bf16": 2, "int8": 1}


def limits(ctx: Context, target: TargetRow) -> MemoryLimits | None:
    """Of a target's current epoch; None where everything fitted so far.

    A workload that failed for want of memory and was measured too does fit: something else held
    the memory when it failed.
    """
    with ctx.db.read() as session:
        failed = MemoryFailureRepository(session).of_epoch(target.name, target.epoch)
        if not failed:
            return None
        keys = SampleRepository(session).workload_keys(target.name, target.epoch)
        known = {key: ctx.needs.find(key) for key in keys}
        new = [key for key, numbers in known.items() if numbers is None]
        bodies = SampleRepository(session).body_by_workload(target.name, target.epoch, new)
    fitted = [numbers for numbers in known.values() if numbers is not None]
    fitted += [_numbers(ctx, key, json.loads(body)["workload"]) for key, body in bodies.items()]
    left = {key: workload for key, workload in failed.items() if key not in known}
    precision = TargetSpec.model_validate_json(target.spec_json).precision
    return between(
        fitted,
        [_numbers(ctx, key, json.loads(workload)) for key, workload in left.items()],
        _BYTES.get(precision or "", 4),
    )


def between(
    measured: Iterable[float], failed: Iterable[float], element_bytes: int
) -> MemoryLimits | None:
    """The limits, from how many numbers networks hold that fitted, and that did not; None without
    any that did not.

    A failure of a network that is no larger than one that fitted says nothing: something else held
    the memory then, or it needs more than what is counted. One passing failure of a small network
    would otherwise refuse all that are known to run.
    """
    most = max(measured, default=None)
    least = min((numbers for numbers in failed if most is None or numbers > most), default=None)
    if least is None:
        return None
    return MemoryLimits(
        fits_mib=None if most is None else most * element_bytes / MIB,
        fails_mib=least * element_bytes / MIB,
        element_bytes=element_bytes,
    )


def _numbers(ctx: Context, key: str, given: object) -> float:
    """Numbers that a workload, given as plain values, holds in memory."""
    return ctx.needs.get(key, lambda: _counted(ctx, given))


def _counted(ctx: Context, given: object) -> float:
    workload = _WORKLOAD.validate_python(given)
    if isinstance(workload, OpsWorkload):
        need = MemoryNeed(OpTable.from_ops(workload.ops))
        return float(need.bytes(np.zeros(0), workload.batch, 1))
    whole = spaces_in_memory.held(ctx, workload.space).space
    part = whole if workload.block is None else whole.block(workload.block)
    return float(part.memory(workload.widths, batch=workload.batch, element_bytes=1))
