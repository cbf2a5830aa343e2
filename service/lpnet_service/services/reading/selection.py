"""Turns the filters of a table into the samples they select."""

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

MAX_TERMS = 10
_GROUP_FILTERS = ("kind", "space", "block", "draw", "disturbed")


class Filters(TypedDict, total=False):
    """The filters of a table; one that is None or missing selects everything.

    `search` holds terms separated by spaces. Each term must occur in the name of the block or of
    the space, ignoring case, or be the id of the sample.
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
    """The selected samples and their number; if it is not exact, there are more."""

    selection: Selection
    matching: int
    exact: bool

    @property
    def few(self) -> bool:
        return self.exact and self.matching <= FEW


def select(session: Session, target: str, epoch: int, filters: Filters) -> Selected:
    terms = (filters.get("search") or "").split()[:MAX_TERMS]
    values = {name: value for name in _GROUP_FILTERS if (value := filters.get(name)) is not None}
    groups: Sequence[GroupRow] | None = None
    extra: Sequence[int] = ()
    if terms or values:
        all_groups = TallyRepository(session).groups(target, epoch)
        groups = [group for group in all_groups if _meets(group, values)]
        if terms:
            groups, extra = _search(session, target, groups, terms)
    selection = Selection(
        target,
        epoch,
        groups=None if groups is None else [group.key for group in groups],
        extra=extra,
        min_ms=filters.get("min_ms"),
        max_ms=filters.get("max_ms"),
        held_out=filters.get("held_out"),
    )
    return _count(session, selection, groups)


def _meets(group: GroupRow, values: Mapping[str, object]) -> bool:
    return all(getattr(group, name) == value for name, value in values.items())


def _search(
    session: Session, target: str, groups: Sequence[GroupRow], terms: Sequence[str]
) -> tuple[list[GroupRow], list[int]]:
    """Groups whose names contain all terms. Also the `seq` of samples in other groups whose id
    equals the only term missing from their names."""
    names = SpaceRepository(session).names()
    missing = {group.key: _missing_terms(group, names, terms) for group in groups}
    matching = [group for group in groups if not missing[group.key]]
    samples = SampleRepository(session).locate(target, terms)
    extra = [seq for id_, key, seq in samples if key is not None and missing.get(key) == {id_}]
    return matching, extra


def _missing_terms(group: GroupRow, names: Mapping[str, str], terms: Sequence[str]) -> set[str]:
    text = f"{group.block or ''}\n{names.get(group.space or '', '')}".lower()
    return {term for term in terms if term.lower() not in text}


def _count(session: Session, selection: Selection, groups: Sequence[GroupRow] | None) -> Selected:
    if groups is None:
        epoch = TallyRepository(session).get_epoch(selection.target, selection.epoch)
        in_groups = epoch.samples if epoch else 0
    else:
        in_groups = sum(group.samples for group in groups)
    if not selection.by_group:
        matching, exact = LatencyTableRepository(session).count(selection, in_groups)
        return Selected(selection, matching, exact)
    return Selected(selection, in_groups + len(selection.extra), True)
