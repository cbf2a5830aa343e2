"""What an LPNet says of workloads that were measured."""

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

    from lpnet.model.bound import BoundLPNet

Workloads = Mapping[str, OpsWorkload | SpaceWorkload]
_Figure = Callable[["BoundLPNet", "Tensor"], "Tensor"]
# Networks that are priced at once; each takes 0.2 MB meanwhile.
_TOGETHER = 128


def predicted_ms(ctx: Context, lpnet: LPNetRow, workloads: Workloads) -> dict[str, float]:
    """Milliseconds by workload key; NaN where the LPNet does not cover the workload."""
    return _figures(ctx, ctx.numbers, lpnet, workloads, lambda bound, widths: bound(widths))


def predicted_spread(ctx: Context, lpnet: LPNetRow, workloads: Workloads) -> dict[str, float]:
    """Relative spread of the predictions by workload key; NaN likewise."""
    # In half the time, and as good: it is no more than a few digits long.
    return _figures(ctx, ctx.spreads, lpnet, workloads, lambda b, w: b.spread(w.float()))


def _figures(
    ctx: Context,
    cache: Cache[tuple[str, str], float],
    lpnet: LPNetRow,
    workloads: Workloads,
    figure: _Figure,
) -> dict[str, float]:
    known = {key: cache.find((lpnet.id, key)) for key in workloads}
    new: dict[str, float] = {}
    together: dict[tuple[str, str | None, int], list[str]] = defaultdict(list)
    for key, workload in workloads.items():
        if known[key] is not None:
            continue
        if isinstance(workload, OpsWorkload):
            new[key] = _of_ops(ctx, lpnet, workload, figure)
        else:
            together[workload.space, workload.block, workload.batch].append(key)
    for place, keys in together.items():
        same = [w for key in keys if isinstance(w := workloads[key], SpaceWorkload)]
        new |= zip(keys, _of_space(ctx, lpnet, place, same, figure), strict=True)
    for key, value in new.items():
        cache.put((lpnet.id, key), value)
    return {key: value for key, value in known.items() if value is not None} | new


def _of_ops(ctx: Context, lpnet: LPNetRow, workload: OpsWorkload, figure: _Figure) -> float:
    import torch

    from lpnet.space.table import OpTable

    try:
        bound = models.lpnet(ctx, lpnet.id).bind(OpTable.from_ops(workload.ops), workload.batch)
    except NotCovered:
        return math.nan
    with torch.no_grad():
        return float(figure(bound, torch.zeros(0)))


def _of_space(
    ctx: Context,
    lpnet: LPNetRow,
    place: tuple[str, str | None, int],
    workloads: Sequence[SpaceWorkload],
    figure: _Figure,
) -> list[float]:
    import torch

    try:
        predictor = models.predictor(ctx, lpnet, *place)
    except NotCovered:
        return [math.nan] * len(workloads)
    vectors = torch.tensor(
        [[float(w.widths[name]) for name in predictor.widths] for w in workloads],
        dtype=torch.float64,
    )
    found: list[float] = []
    with torch.no_grad():
        for start in range(0, len(vectors), _TOGETHER):
            part = vectors[start : start + _TOGETHER]
            found += figure(predictor.bound, part).tolist()
    return found
