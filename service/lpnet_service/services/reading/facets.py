"""The values that a latency table can be filtered by, with counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from lpnet.schemas.table import BlockFacet, EpochFacet, Facet, Facets, SpaceFacet
from lpnet_service.db.rows import GroupRow
from lpnet_service.repositories.spaces import SpaceRepository
from lpnet_service.repositories.tallies import TallyRepository
from lpnet_service.services.shared.context import Context
from lpnet_service.services.shared.targets import require_target

MAX_VALUES = 500


def facets(ctx: Context, target: str, epoch: int | None = None) -> Facets:
    with ctx.db.read() as session:
        row = require_target(session, target)
        epoch = row.epoch if epoch is None else epoch
        groups = TallyRepository(session).groups(row.name, epoch)
        epochs = TallyRepository(session).list_epochs(row.name)
        names = SpaceRepository(session).names()
    spaces: Counter[str | None] = Counter()
    blocks: Counter[tuple[str | None, str]] = Counter()
    for group in groups:
        spaces[group.space] += group.samples
        if group.block is not None:
            blocks[group.space, group.block] += group.samples
    return Facets(
        target=target,
        epoch=epoch,
        samples=sum(group.samples for group in groups),
        disturbed=sum(group.samples for group in groups if group.disturbed),
        kinds=_facets(groups, "kind"),
        draws=_facets(groups, "draw"),
        spaces=tuple(
            SpaceFacet(space=space, name=names.get(space or ""), samples=count)
            for space, count in spaces.most_common(MAX_VALUES)
        ),
        blocks=tuple(
            BlockFacet(space=space, block=block, samples=count)
            for (space, block), count in blocks.most_common(MAX_VALUES)
        ),
        more=len(spaces) > MAX_VALUES or len(blocks) > MAX_VALUES,
        epochs=tuple(EpochFacet(epoch=e.epoch, samples=e.samples) for e in reversed(epochs)),
    )


def _facets(groups: Sequence[GroupRow], column: str) -> tuple[Facet, ...]:
    counts: Counter[str | None] = Counter()
    for group in groups:
        counts[getattr(group, column)] += group.samples
    return tuple(Facet(value=value, samples=count) for value, count in counts.most_common())
