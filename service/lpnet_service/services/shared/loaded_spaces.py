"""Spaces from the database, kept in memory, and checks of workloads against them."""

from __future__ import annotations

from collections.abc import Iterator

from lpnet.schemas.problem import FieldError
from lpnet.schemas.workload import Kind, OpsWorkload, SpaceWorkload
from lpnet.space.space import Space
from lpnet_service.errors import NotFound
from lpnet_service.repositories.spaces import SpaceRepository
from lpnet_service.services.shared.context import Context
from lpnet_service.services.shared.width_limits import LoadedSpace, width_errors


def load_space(ctx: Context, hash_: str) -> LoadedSpace:
    def load() -> LoadedSpace:
        with ctx.db.read() as session:
            content = SpaceRepository(session).file(hash_)
        if content is None:
            raise NotFound("space", hash_)
        return LoadedSpace.of(Space.from_bytes(content))

    return ctx.spaces.get(hash_, load)


def workload_errors(
    ctx: Context, kind: Kind, workload: OpsWorkload | SpaceWorkload
) -> Iterator[FieldError]:
    """The errors of a workload, with paths relative to it."""
    if isinstance(workload, OpsWorkload):
        return
    if (kind == "network") != (workload.block is None):
        block = "none" if workload.block is None else repr(workload.block)
        yield FieldError(field="block", reason=f"kind is {kind}, but block names {block}")
        return
    try:
        limits = load_space(ctx, workload.space).limits
    except NotFound as error:
        yield FieldError(field="space", reason=f"{error.detail}: upload it first")
        return
    if workload.block not in limits:
        yield FieldError(field="block", reason=f"the space has no block {workload.block!r}")
        return
    yield from width_errors(limits[workload.block], workload.widths)
