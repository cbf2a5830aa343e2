"""Up to which size networks fit in a target's memory."""

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
from lpnet_service.services.shared import loaded_spaces
from lpnet_service.services.shared.context import Context

_WORKLOAD: TypeAdapter[OpsWorkload | SpaceWorkload] = TypeAdapter(Workload)
# Bytes per number by the target's precision; any other precision counts as fp32.
_ELEMENT_BYTES = {"fp16": 2, "bf16": 2, "int8": 1}


def limits(ctx: Context, target: TargetRow) -> MemoryLimits | None:
    """The limits in a target's current epoch; None if everything has fitted so far.

    A workload that ran out of memory once and was measured another time does fit: something else
    used the memory when it failed.
    """
    with ctx.db.read() as session:
        failed = MemoryFailureRepository(session).of_epoch(target.name, target.epoch)
        if not failed:
            return None
        samples = SampleRepository(session)
        measured = samples.workload_keys(target.name, target.epoch)
        cached = {key: ctx.needs.find(key) for key in measured}
        missing = [key for key, need in cached.items() if need is None]
        bodies = samples.body_by_workload(target.name, target.epoch, missing)
    fitted = [need for need in cached.values() if need is not None]
    fitted += [_need(ctx, key, json.loads(body)["workload"]) for key, body in bodies.items()]
    never_fitted = {key: workload for key, workload in failed.items() if key not in measured}
    precision = TargetSpec.model_validate_json(target.spec_json).precision
    return limits_between(
        fitted,
        [_need(ctx, key, json.loads(workload)) for key, workload in never_fitted.items()],
        _ELEMENT_BYTES.get(precision or "", 4),
    )


def limits_between(
    fitted: Iterable[float], failed: Iterable[float], element_bytes: int
) -> MemoryLimits | None:
    """The limits, from the memory needs (in numbers) of networks that fitted and of those that
    failed.

    None if no failure counts. A failure of a network no larger than one that fitted is ignored,
    because something else used the memory then. Otherwise one accidental failure of a small
    network would exclude all larger ones that are known to run.
    """
    largest_fit = max(fitted, default=None)
    failures = [need for need in failed if largest_fit is None or need > largest_fit]
    if not failures:
        return None
    return MemoryLimits(
        fits_mib=None if largest_fit is None else largest_fit * element_bytes / MIB,
        fails_mib=min(failures) * element_bytes / MIB,
        element_bytes=element_bytes,
    )


def _need(ctx: Context, key: str, workload: object) -> float:
    return ctx.needs.get(key, lambda: _compute_need(ctx, workload))


def _compute_need(ctx: Context, plain: object) -> float:
    workload = _WORKLOAD.validate_python(plain)
    if isinstance(workload, OpsWorkload):
        need = MemoryNeed(OpTable.from_ops(workload.ops))
        return float(need.bytes(np.zeros(0), workload.batch, 1))
    space = loaded_spaces.load_space(ctx, workload.space).space
    part = space if workload.block is None else space.block(workload.block)
    return float(part.memory(workload.widths, batch=workload.batch, element_bytes=1))
