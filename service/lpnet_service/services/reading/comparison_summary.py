"""Targets compared over all workloads, by kind and by block."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpnet.schemas.compare import CompareFigures, CompareSummary, TargetFigures
from lpnet_service.repositories.spaces import SpaceRepository
from lpnet_service.services.reading.comparison import CommonWorkloads, common_workloads
from lpnet_service.services.shared.context import Context

MAX_BLOCKS = 200


def summary(ctx: Context, targets: Sequence[str]) -> CompareSummary:
    with ctx.db.read() as session:
        common = common_workloads(session, targets)
        names = SpaceRepository(session).names()
    kinds: dict[str, list[int]] = defaultdict(list)
    blocks: dict[tuple[str | None, str], list[int]] = defaultdict(list)
    for index, (kind, space, block) in enumerate(common.facts):
        kinds[kind].append(index)
        if block is not None:
            blocks[space, block].append(index)
    largest = sorted(blocks.items(), key=lambda item: -len(item[1]))[:MAX_BLOCKS]
    return CompareSummary(
        **common.summary_fields(),
        all=_figures(common, range(len(common.keys))) if common.keys else None,
        kinds=tuple(
            _figures(common, indices, kind=kind) for kind, indices in sorted(kinds.items())
        ),
        blocks=tuple(
            _figures(
                common,
                indices,
                kind="block",
                space=space,
                space_name=names.get(space or ""),
                block=block,
            )
            for (space, block), indices in largest
        ),
    )


def _figures(common: CommonWorkloads, indices: Sequence[int], **group: Any) -> CompareFigures:
    rows = np.fromiter(indices, dtype=np.int64)
    return CompareFigures(
        **group,
        workloads=len(rows),
        targets=tuple(
            _target_figures(target.target, common.ratio[rows, i], common.fastest[rows] == i)
            for i, target in enumerate(common.targets)
        ),
    )


def _target_figures(
    name: str, ratio: NDArray[np.float64], is_fastest: NDArray[np.bool_]
) -> TargetFigures:
    p10, median, p90 = np.percentile(ratio, (10, 50, 90)).tolist()
    return TargetFigures(
        target=name,
        median_ratio=median,
        p10_ratio=p10,
        p90_ratio=p90,
        fastest_pct=float(100.0 * is_fastest.mean()),
    )
