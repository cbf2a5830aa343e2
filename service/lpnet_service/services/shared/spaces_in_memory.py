"""Spaces in memory, and whether a workload is one of theirs.

The checks here are those of `Space.vector`, in plain Python on a mapping: samples arrive by the
thousand, and an array per sample costs more than storing it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lpnet.schemas.problem import FieldError
from lpnet.schemas.workload import Kind, OpsWorkload, SpaceWorkload
from lpnet.space.space import Space
from lpnet_service.errors import NotFound
from lpnet_service.repositories.spaces import SpaceRepository
from lpnet_service.services.shared.context import Context

Limits = Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class HeldSpace:
    """A space, and (max, granule) of the widths of each of its blocks; None is the network."""

    space: Space
    limits: Mapping[str | None, Limits]

    @classmethod
    def of(cls, space: Space) -> HeldSpace:
        parts: dict[str | None, Space] = {b.name: space.block(b.name) for b in space.blocks}
        parts[None] = space
        return cls(space, {name: _limits(part) for name, part in parts.items()})


def _limits(space: Space) -> Limits:
    return {width.name: (width.max, width.granule) for width in space.widths}


def held(ctx: Context, hash_: str) -> HeldSpace:
    """A stored space. NotFound where the service has none of that hash."""

    def load() -> HeldSpace:
        with ctx.db.read() as session:
            content = SpaceRepository(session).file(hash_)
        if content is None:
            raise NotFound("space", hash_)
        return HeldSpace.of(Space.from_bytes(content))

    return ctx.spaces.get(hash_, load)


def faults(
    ctx: Context, kind: Kind, workload: OpsWorkload | SpaceWorkload
) -> Iterator[FieldError]:
    """What is wrong with a workload, field by field, as paths inside it."""
    if isinstance(workload, OpsWorkload):
        return
    if (kind == "network") != (workload.block is None):
        named = "none" if workload.block is None else repr(workload.block)
        yield FieldError(field="block", reason=f"kind is {kind}, and block names {named}")
        return
    try:
        known = held(ctx, workload.space).limits
    except NotFound as error:
        yield FieldError(field="space", reason=f"{error.detail}: upload it first")
        return
    if workload.block not in known:
        yield FieldError(field="block", reason=f"the space has no block {workload.block!r}")
        return
    yield from width_faults(known[workload.block], workload.widths)


def width_faults(limits: Limits, widths: Mapping[str, int]) -> Iterator[FieldError]:
    """What is wrong with widths, by name."""
    for name, (most, granule) in limits.items():
        value = widths.get(name)
        if value is None:
            yield FieldError(field=f"widths.{name}", reason="this width is missing")
        elif not 1 <= value <= most:
            yield FieldError(
                field=f"widths.{name}", reason=f"{_short(value)} is not within 1 to {most}"
            )
        elif value % granule:
            yield FieldError(
                field=f"widths.{name}", reason=f"{value} is not a multiple of {granule}"
            )
    if len(widths) != len(limits):
        for name in widths.keys() - limits.keys():
            yield FieldError(field=f"widths.{name}", reason="there is no such width")


def _short(value: int) -> str:
    text = f"{value:.3g}" if abs(value) < 10**300 else "a number of more than 300 digits"
    return str(value) if abs(value) < 10**9 else text
