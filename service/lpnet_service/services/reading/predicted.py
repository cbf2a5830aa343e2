"""What an LPNet predicts for measured workloads."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from lpnet.errors import NotCovered
from lpnet.schemas.workload import OpsWorkload, SpaceWorkload
from lpnet_service.db.rows import LPNetRow
from lpnet_service.services.learning import models
from lpnet_service.services.shared.cache import Cache
from lpnet_service.services.shared.context import Context

if TYPE_CHECKING:
    from torch import Tensor

    from lpnet.model.base import BoundModel

Workloads = Mapping[str, OpsWorkload | SpaceWorkload]
_Figure = Callable[["BoundModel", "Tensor"], "Tensor"]
# Networks predicted at once; each takes 0.2 MB.
_BATCH = 128


def predicted_ms(ctx: Context, lpnet: LPNetRow, workloads: Workloads) -> dict[str, float]:
    """Predicted ms by workload key; NaN if the LPNet does not cover the workload."""
    return _figures(ctx, ctx.numbers, lpnet, workloads, lambda bound, widths: bound(widths))


def predicted_spread(ctx: Context, lpnet: LPNetRow, workloads: Workloads) -> dict[str, float]:
    """Relative spread of the predictions by workload key; NaN if the LPNet does not cover the
    workload."""
    # In float32, which halves the time: a spread needs only a few digits.
    return _figures(ctx, ctx.spreads, lpnet, workloads, lambda b, w: b.spread(w.float()))


def _figures(
    ctx: Context,
    cache: Cache[tuple[str, str], float],
    lpnet: LPNetRow,
    workloads: Workloads,
    figure: _Figure,
) -> dict[str, float]:
    cached = {key: cache.find((lpnet.id, key)) for key in workloads}
    computed: dict[str, float] = {}
    by_part: dict[tuple[str, str | None, int], list[str]] = defaultdict(list)
    for key, workload in workloads.items():
        if cached[key] is not None:
            continue
        if isinstance(workload, OpsWorkload):
            computed[key] = _of_ops(ctx, lpnet, workload, figure)
        else:
            by_part[workload.space, workload.block, workload.batch].append(key)
    for part, keys in by_part.items():
        of_part = [w for key in keys if isinstance(w := workloads[key], SpaceWorkload)]
        computed |= zip(keys, _of_part(ctx, lpnet, part, of_part, figure), strict=True)
    for key, value in computed.items():
        cache.put((lpnet.id, key), value)
    return {key: value for key, value in cached.items() if value is not None} | computed


def _of_ops(ctx: Context, lpnet: LPNetRow, workload: OpsWorkload, figure: _Figure) -> float:
    import torch

    from lpnet.space.table import OpTable

    try:
        bound = models.lpnet(ctx, lpnet.id).bind(OpTable.from_ops(workload.ops), workload.batch)
    except NotCovered:
        return math.nan
    with torch.no_grad():
        return float(figure(bound, torch.zeros(0)))


def _of_part(
    ctx: Context,
    lpnet: LPNetRow,
    part: tuple[str, str | None, int],
    workloads: Sequence[SpaceWorkload],
    figure: _Figure,
) -> list[float]:
    import torch

    try:
        predictor = models.predictor(ctx, lpnet, *part)
    except NotCovered:
        return [math.nan] * len(workloads)
    vectors = torch.tensor(
        [[float(w.widths[name]) for name in predictor.widths] for w in workloads],
        dtype=torch.float64,
    )
    values: list[float] = []
    with torch.no_grad():
        for start in range(0, len(vectors), _BATCH):
            values += figure(predictor.bound, vectors[start : start + _BATCH]).tolist()
    return values
