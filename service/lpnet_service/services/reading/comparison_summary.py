"""Targets compared as a whole, by kind and by block."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpnet.schemas.compare import CompareFigures, CompareSummary, TargetFigures
from lpnet_service.repositories.spaces import SpaceRepository
from lpnet_service.services.reading import comparison
from lpnet_service.services.reading.comparison import Common
from lpnet_service.services.shared.context import Context

MAX_BLOCKS = 200


def summary(ctx: Context, targets: Sequence[str]) -> CompareSummary:
    """Ratios to the first target, and who is fastest how often. NotFound for an unknown target,
    BadRequest for one that is named twice."""
    with ctx.db.read() as session:
        common = comparison.common(session, targets)
        names = SpaceRepository(session).names()
    kinds: dict[str, list[int]] = defaultdict(list)
    blocks: dict[tuple[str | None, str], list[int]] = defaultdict(list)
    for place, (kind, space, block) in enumerate(common.facts):
        kinds[kind].append(place)
        if block is not None:
            blocks[space, block].append(place)
    largest = sorted(blocks.items(), key=lambda item: -len(item[1]))[:MAX_BLOCKS]
    return CompareSummary(
        **common.about(),
        all=_figures(common, range(len(common.keys))) if common.keys else None,
        kinds=tuple(_figures(common, places, kind=kind) for kind, places in sorted(kinds.items())),
        blocks=tuple(
            _figures(
                common,
                places,
                kind="block",
                space=space,
                space_name=names.get(space or ""),
                block=block,
            )
            for (space, block), places in largest
        ),
    )


def _figures(common: Common, places: Sequence[int], **about: Any) -> CompareFigures:
    rows = np.fromiter(places, dtype=np.int64)
    return CompareFigures(
        **about,
        workloads=len(rows),
        targets=tuple(
            _of_target(common.targets[i].target, common.ratio[rows, i], common.fastest[rows] == i)
            for i in range(len(common.targets))
        ),
    )


def _of_target(name: str, ratio: NDArray[np.float64], fastest: NDArray[np.bool_]) -> TargetFigures:
    low, middle, high = np.percentile(ratio, (10, 50, 90)).tolist()
    return TargetFigures(
        target=name,
        median_ratio=middle,
        p10_ratio=low,
        p90_ratio=high,
        fastest_pct=float(100.0 * fastest.mean()),
    )
