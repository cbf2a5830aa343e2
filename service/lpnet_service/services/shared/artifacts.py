"""The files of LPNets: kept before the row that names them, read wherever they are.

Each has a row in the database, which holds its bytes or says that they are elsewhere. So those
that were kept before LPNET_ARTIFACTS changed are found where they are, and may be moved later.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Literal

from lpnet_service.artifacts.database import DatabaseStore
from lpnet_service.artifacts.protocol import ArtifactStore, checked
from lpnet_service.errors import DamagedArtifact, NoArtifact
from lpnet_service.repositories.artifacts import ArtifactRepository
from lpnet_service.services.shared.context import Context

# What was kept a moment ago is about to be named.
_SPARED = timedelta(days=1)
# What became of an artifact: moved, or there already; or why it could not be.
Moved = tuple[str, Literal["moved", "there"] | NoArtifact]


def keep(ctx: Context, content: bytes) -> str:
    """Keep bytes in the store of LPNET_ARTIFACTS; returns their sha256. NoArtifact."""
    with ctx.db.write() as session:
        # First: `sweep` spares what was noted a moment ago, and so does not delete it meanwhile.
        ArtifactRepository(session).register(hashlib.sha256(content).hexdigest(), ctx.clock.now())
    return ctx.artifacts.put(content)


def read(ctx: Context, sha256: str) -> bytes:
    """The bytes with this sha256, from wherever they are. NoArtifact; DamagedArtifact where they
    are gone, or are not those that were kept."""
    return _read(ctx, sha256, ctx.artifacts)


def _read(ctx: Context, sha256: str, elsewhere: ArtifactStore) -> bytes:
    with ctx.db.read() as session:
        row = ArtifactRepository(session).get(sha256)
    if row is None:
        raise DamagedArtifact(sha256, "is gone")
    return elsewhere.get(sha256) if row.elsewhere else checked(row.content, sha256)


def check(ctx: Context) -> Iterator[tuple[str, NoArtifact | None]]:
    """Read every artifact of an LPNet; those that cannot be read with the reason."""
    with ctx.db.read() as session:
        named = ArtifactRepository(session).referenced()
    for sha256, _ in named:
        try:
            read(ctx, sha256)
        except NoArtifact as error:
            yield sha256, error
        else:
            yield sha256, None


def move(ctx: Context, source: ArtifactStore) -> Iterator[Moved]:
    """Bring the artifacts of all LPNets to the store of LPNET_ARTIFACTS, from the database or,
    those that are elsewhere, from `source`, where they stay too. Moving again does no harm.
    """
    with ctx.db.read() as session:
        named = ArtifactRepository(session).referenced()
    into_database = isinstance(ctx.artifacts, DatabaseStore)
    for sha256, elsewhere in named:
        if elsewhere != into_database and (into_database or source is ctx.artifacts):
            yield sha256, "there"
            continue
        try:
            _bring(ctx, sha256, source)
        except NoArtifact as error:
            yield sha256, error
        else:
            yield sha256, "moved"


def _bring(ctx: Context, sha256: str, source: ArtifactStore) -> None:
    ctx.artifacts.put(_read(ctx, sha256, source))
    # Read again before the other copy is let go.
    ctx.artifacts.get(sha256)
    if not isinstance(ctx.artifacts, DatabaseStore):
        with ctx.db.write() as session:
            ArtifactRepository(session).clear_content(sha256)


def unused(ctx: Context) -> int:
    """How many artifacts no LPNet names any more."""
    with ctx.db.read() as session:
        return len(ArtifactRepository(session).unreferenced(ctx.clock.now() - _SPARED))


def sweep(ctx: Context) -> int:
    """Delete those; returns how many. NoArtifact where their store cannot be reached."""
    before, count = ctx.clock.now() - _SPARED, 0
    with ctx.db.read() as session:
        found = ArtifactRepository(session).unreferenced(before)
    for sha256 in found:
        with ctx.db.write() as session:
            elsewhere = ArtifactRepository(session).delete_if_unreferenced(sha256, before)
            if elsewhere is None:
                continue
            # Within the unit: whoever keeps the same bytes anew waits for its end.
            if elsewhere and not isinstance(ctx.artifacts, DatabaseStore):
                ctx.artifacts.delete(sha256)
            count += 1
    return count
