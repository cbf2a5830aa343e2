"""The files of LPNets: written before the row that refers to them, read from where they are.

Each file has a row in the database. The row holds the bytes, or says that they are in the store.
Files written before LPNET_ARTIFACTS changed are therefore still found, and can be moved later.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Literal

from lpnet_service.artifacts.database import DatabaseStore
from lpnet_service.artifacts.protocol import ArtifactStore, checked
from lpnet_service.db.retrying import retried
from lpnet_service.errors import DamagedArtifact, NoArtifact
from lpnet_service.repositories.artifacts import ArtifactRepository
from lpnet_service.services.shared.context import Context

# An artifact younger than this may be about to get its LPNet.
_GRACE = timedelta(days=1)
# A sha256, and what happened to the artifact ("there": it needed no move) or why it failed.
MoveResult = tuple[str, Literal["moved", "there"] | NoArtifact]


@retried
def keep(ctx: Context, content: bytes) -> str:
    """Write bytes to the store of LPNET_ARTIFACTS and return their sha256. Raises NoArtifact."""
    with ctx.db.write() as session:
        # First: `sweep` spares what was registered recently, so it cannot delete it meanwhile.
        ArtifactRepository(session).register(hashlib.sha256(content).hexdigest(), ctx.clock.now())
    return ctx.artifacts.put(content)


def read(ctx: Context, sha256: str) -> bytes:
    """The bytes with this sha256, from any store that holds them.

    Raises NoArtifact if the store is unreachable, DamagedArtifact if the bytes are missing or
    changed.
    """
    return _read(ctx, sha256, ctx.artifacts)


def _read(ctx: Context, sha256: str, store: ArtifactStore) -> bytes:
    with ctx.db.read() as session:
        row = ArtifactRepository(session).get(sha256)
    if row is None:
        raise DamagedArtifact(sha256, "is missing")
    return store.get(sha256) if row.elsewhere else checked(row.content, sha256)


def check(ctx: Context) -> Iterator[tuple[str, NoArtifact | None]]:
    """Read the artifact of every LPNet; yields each sha256 with None, or why it is unreadable."""
    with ctx.db.read() as session:
        referenced = ArtifactRepository(session).referenced()
    for sha256, _ in referenced:
        try:
            read(ctx, sha256)
        except NoArtifact as error:
            yield sha256, error
        else:
            yield sha256, None


def move(ctx: Context, source: ArtifactStore) -> Iterator[MoveResult]:
    """Copy the artifacts of all LPNets to the store of LPNET_ARTIFACTS.

    They come from the database or, if they are elsewhere, from `source`, which keeps its copies.
    Moving again is harmless.
    """
    with ctx.db.read() as session:
        referenced = ArtifactRepository(session).referenced()
    into_database = isinstance(ctx.artifacts, DatabaseStore)
    for sha256, elsewhere in referenced:
        if elsewhere != into_database and (into_database or source is ctx.artifacts):
            yield sha256, "there"
            continue
        try:
            _move(ctx, sha256, source)
        except NoArtifact as error:
            yield sha256, error
        else:
            yield sha256, "moved"


def _move(ctx: Context, sha256: str, source: ArtifactStore) -> None:
    ctx.artifacts.put(_read(ctx, sha256, source))
    # Read back before the other copy is deleted.
    ctx.artifacts.get(sha256)
    if not isinstance(ctx.artifacts, DatabaseStore):
        with ctx.db.write() as session:
            ArtifactRepository(session).clear_content(sha256)


def unused(ctx: Context) -> int:
    with ctx.db.read() as session:
        return len(ArtifactRepository(session).unreferenced(ctx.clock.now() - _GRACE))


def sweep(ctx: Context) -> int:
    """Delete the artifacts that belong to no LPNet; returns how many.

    Raises NoArtifact if their store is unreachable.
    """
    before, count = ctx.clock.now() - _GRACE, 0
    with ctx.db.read() as session:
        unreferenced = ArtifactRepository(session).unreferenced(before)
    for sha256 in unreferenced:
        with ctx.db.write() as session:
            elsewhere = ArtifactRepository(session).delete_if_unreferenced(sha256, before)
            if elsewhere is None:
                continue
            # Inside the transaction: whoever writes the same bytes again waits for its end.
            if elsewhere and not isinstance(ctx.artifacts, DatabaseStore):
                ctx.artifacts.delete(sha256)
            count += 1
    return count
