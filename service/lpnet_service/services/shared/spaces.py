"""Spaces: uploaded, listed, downloaded."""

from __future__ import annotations

import re
from dataclasses import replace

from lpnet.errors import LpnetError
from lpnet.schemas.lpnet import SpaceInfo, WidthInfo
from lpnet.schemas.problem import FieldError
from lpnet.space.space import Space
from lpnet_service.db.retrying import retried
from lpnet_service.db.rows import SpaceRow
from lpnet_service.errors import BadRequest, NotFound, SpaceError, TooLarge
from lpnet_service.repositories.inserts import insert_if_new
from lpnet_service.repositories.spaces import SpaceRepository
from lpnet_service.services.shared.context import Context
from lpnet_service.services.shared.loaded_spaces import load_space

_HASH = re.compile(r"[0-9a-f]{64}")


@retried
def add(ctx: Context, content: bytes) -> tuple[SpaceInfo, bool]:
    """Store a space; returns its description and whether it is new.

    A stored file without the reasons why channels are frozen, which older clients wrote, gets
    those of this one. Raises SpaceError if the bytes are not a space, TooLarge above the limit.
    """
    limit = ctx.settings.max_space_mib
    if len(content) > limit << 20:
        raise TooLarge(f"a space file may have at most {limit} MiB")
    try:
        space = Space.from_bytes(content)
    except LpnetError as error:
        raise SpaceError(f"not a space: {error}") from error
    names = (space.name, *(w.name for w in space.widths), *(b.name for b in space.blocks))
    if any("\x00" in name for name in names):
        raise SpaceError("not a space: a name in it holds a NUL character")
    info = SpaceInfo(
        hash=space.hash,
        name=space.name,
        widths=tuple(WidthInfo(name=w.name, max=w.max, granule=w.granule) for w in space.widths),
        blocks=tuple(block.name for block in space.blocks),
        ops=len(space.table.rows),
        created_at=ctx.clock.now(),
    )
    values = {
        "hash": info.hash,
        "name": info.name,
        "info_json": info.model_dump_json(),
        "file": content,
        "created_at": info.created_at,
    }
    with ctx.db.write() as session:
        is_new = insert_if_new(session, SpaceRow, values, key="hash")
    if not is_new and space.channels:
        _complete(ctx, space)
    return (info, True) if is_new else (get(ctx, info.hash), False)


@retried
def _complete(ctx: Context, space: Space) -> None:
    if load_space(ctx, space.hash).space.channels:
        return
    stored = Space.from_bytes(file(ctx, space.hash))
    if not stored.channels:
        complete = replace(stored, frozen=space.frozen, channels=space.channels)
        with ctx.db.write() as session:
            SpaceRepository(session).replace_file(space.hash, complete.to_bytes())


def list_spaces(ctx: Context) -> list[SpaceInfo]:
    with ctx.db.read() as session:
        rows = SpaceRepository(session).all()
        return [SpaceInfo.model_validate_json(row.info_json) for row in rows]


def get(ctx: Context, hash_: str) -> SpaceInfo:
    with ctx.db.read() as session:
        row = SpaceRepository(session).get(hash_)
    if row is None:
        raise NotFound("space", hash_)
    return SpaceInfo.model_validate_json(row.info_json)


def resolve(ctx: Context, reference: str) -> str:
    """The hash of a space that is given by its hash, or by its name.

    Raises NotFound for an unknown name, and BadRequest if several spaces have it.
    """
    if _HASH.fullmatch(reference):
        return reference
    with ctx.db.read() as session:
        hashes = SpaceRepository(session).hashes(reference)
    if not hashes:
        raise NotFound("space", reference)
    if len(hashes) > 1:
        reason = f"{len(hashes)} spaces have this name; use a hash: {', '.join(hashes[:10])}"
        raise BadRequest(
            f"which space is {reference!r}?", [FieldError(field="space", reason=reason)]
        )
    return hashes[0]


def file(ctx: Context, hash_: str) -> bytes:
    with ctx.db.read() as session:
        content = SpaceRepository(session).file(hash_)
    if content is None:
        raise NotFound("space", hash_)
    return content
