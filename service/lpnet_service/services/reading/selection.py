"""From the filters of a table to the samples they select."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from sqlalchemy.orm import Session

from lpnet.schemas.sample import Draw
from lpnet.schemas.workload import Kind
from lpnet_service.db.rows import GroupRow
from lpnet_service.repositories.latency_tables import FEW, LatencyTableRepository, Selection
from lpnet_service.repositories.samples import SampleRepository
from lpnet_service.repositories.spaces import SpaceRepository
from lpnet_service.repositories.tallies import TallyRepository

MOST_WORDS = 10
_OF_GROUPS = ("kind", "space", "block", "draw", "disturbed")


class Filters(TypedDict, total=False):
    """What a table is filtered by; a filter that is None or missing leaves all.

    `search` holds words: each must occur in the name of the block or of the space, in any case, or
    be the id of the sample.
    """

    kind: Kind | None
    space: str | None
    block: str | None
    draw: Draw | None
    disturbed: bool | None
    held_out: bool | None
    min_ms: float | None
    max_ms: float | None
    search: str | None


@dataclass(frozen=True)
class Selected:
    """The samples that filters select, and how many they are: more than `matching` where that is
    not exact."""

    chosen: Selection
    matching: int
    exact: bool

    @property
    def few(self) -> bool:
        """Whether all of them can be read for a page."""
        return self.exact and self.matching <= FEW


def select(session: Session, target: str, epoch: int, filters: Filters) -> Selected:
    """The samples of an epoch that meet all filters."""
    words = (filters.get("search") or "").split()[:MOST_WORDS]
    wanted = {name: value for name in _OF_GROUPS if (value := filters.get(name)) is not None}
    groups: Sequence[GroupRow] | None = None
    others: Sequence[int] = ()
    if words or wanted:
        every = TallyRepository(session).groups(target, epoch)
        groups = [group for group in every if _meets(group, wanted)]
    if words and groups is not None:
        groups, others = _search(session, target, groups, words)
    chosen = Selection(
        target,
        epoch,
        groups=None if groups is None else [group.key for group in groups],
        others=others,
        min_ms=filters.get("min_ms"),
        max_ms=filters.get("max_ms"),
        held_out=filters.get("held_out"),
    )
    return _counted(session, chosen, groups)


def _meets(group: GroupRow, wanted: Mapping[str, object]) -> bool:
    return all(getattr(group, name) == value for name, value in wanted.items())


def _search(
    session: Session, target: str, groups: Sequence[GroupRow], words: Sequence[str]
) -> tuple[list[GroupRow], list[int]]:
    """Groups in whose names all words occur; and numbers of samples in the other groups that have
    one of the words as id, where the rest of them occur."""
    names = SpaceRepository(session).names()
    missing = {group.key: _missing(group, names, words) for group in groups}
    whole = [group for group in groups if not missing[group.key]]
    found = SampleRepository(session).locate(target, words)
    others = [seq for id_, key, seq in found if key is not None and missing.get(key) == {id_}]
    return whole, others


def _missing(group: GroupRow, names: Mapping[str, str], words: Sequence[str]) -> set[str]:
    """The words that do not occur in the names of a group."""
    text = f"{group.block or ''}\n{names.get(group.space or '', '')}".lower()
    return {word for word in words if word.lower() not in text}


def _counted(session: Session, chosen: Selection, groups: Sequence[GroupRow] | None) -> Selected:
    if groups is None:
        epoch = TallyRepository(session).get_epoch(chosen.target, chosen.epoch)
        inside = epoch.samples if epoch else 0
    else:
        inside = sum(group.samples for group in groups)
    if not chosen.by_group:
        return Selected(chosen, *LatencyTableRepository(session).count(chosen, inside))
    return Selected(chosen, inside + len(chosen.others), True)
