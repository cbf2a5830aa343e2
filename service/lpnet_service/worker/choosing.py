"""Blocks to measure next: those that tell most of networks that pruning will visit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from lpnet.errors import LpnetError
from lpnet.schemas.campaign import NewCampaign, PlannedWorkload
from lpnet.schemas.workload import SpaceWorkload, workload_key
from lpnet.space.sampling import plan
from lpnet.space.space import Space
from lpnet.space.table import OpTable
from lpnet_service.training import Record, most_informative
from lpnet_service.worker.dataset import Dataset

# Blocks are chosen among so many for each, and at most so many; they tell of so many networks.
_CANDIDATES_EACH, _MAX_CANDIDATES, _NETWORKS = 5, 800, 60


def blocks(
    space: Space,
    request: NewCampaign,
    data: Dataset,
    pruned: Sequence[PlannedWorkload],
    count: int,
) -> list[PlannedWorkload]:
    """At most `count` blocks after which the latencies of `pruned` networks, and of random ones,
    are known best. Random blocks, if the samples do not say."""
    if not count:
        return []
    seed, batch = request.seed + 1, request.batch
    size = min(_CANDIDATES_EACH * count, _MAX_CANDIDATES)
    drawn = plan(space, blocks=max(size, count), networks=0, seed=seed, batch=batch)
    measured = {record.key for record in data.records}
    candidates = list(_distinct([*_near(space, pruned), *drawn], measured))
    networks = plan(space, blocks=0, networks=_NETWORKS, seed=seed, batch=batch)
    try:
        numbers = most_informative(
            data.records,
            [_record(space, planned) for planned in candidates],
            [_record(space, planned) for planned in [*pruned, *networks]],
            count,
            target=data.target,
            seed=request.seed,
        )
    except LpnetError:
        return drawn[:count]
    return [candidates[i].model_copy(update={"draw": "chosen"}) for i in numbers]


def _near(space: Space, pruned: Iterable[PlannedWorkload]) -> Iterator[PlannedWorkload]:
    """The blocks of pruned networks, and the same with a width that is a granule larger."""
    for network in pruned:
        for block in space.blocks:
            part = space.block(block.name)
            widths = {width.name: network.workload.widths[width.name] for width in part.widths}
            wider = [
                widths | {width.name: widths[width.name] + width.granule}
                for width in part.widths
                if widths[width.name] + width.granule <= width.max
            ]
            for own in [widths, *wider]:
                workload = SpaceWorkload(
                    space=space.hash, block=block.name, widths=own, batch=network.workload.batch
                )
                yield PlannedWorkload(kind="block", workload=workload)


def _distinct(planned: Iterable[PlannedWorkload], measured: set[str]) -> Iterator[PlannedWorkload]:
    visited = set(measured)
    for own in planned:
        key = workload_key(own.workload)
        if key not in visited:
            visited.add(key)
            yield own


def _record(space: Space, planned: PlannedWorkload) -> Record:
    """A workload without a measured latency, which is not looked at."""
    workload = planned.workload
    part = space if workload.block is None else space.block(workload.block)
    return Record(
        key=workload_key(workload),
        kind=planned.kind,
        table=OpTable.from_ops(part.ops(workload.widths)),
        batch=workload.batch,
        latency_ms=1.0,
        draw=planned.draw,
        space=workload.space,
        widths=workload.widths,
        held_out=False,
    )
