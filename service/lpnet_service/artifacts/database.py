"""Artifacts in the database, the default.

An LPNet is a few hundred kilobytes. Every API process and worker can read it, and a backup of the
database is a backup of everything.
"""

from __future__ import annotations

import hashlib

from lpnet_service.artifacts.protocol import checked
from lpnet_service.clock import Clock
from lpnet_service.db.engine import Database
from lpnet_service.errors import DamagedArtifact
from lpnet_service.repositories.artifacts import ArtifactRepository


class DatabaseStore:
    """An ArtifactStore in the table of artifacts."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    def put(self, content: bytes) -> str:
        sha256 = hashlib.sha256(content).hexdigest()
        with self._db.write() as session:
            ArtifactRepository(session).store(sha256, content, self._clock.now())
        return sha256

    def get(self, sha256: str) -> bytes:
        with self._db.read() as session:
            row = ArtifactRepository(session).get(sha256)
        if row is None:
            raise DamagedArtifact(sha256, "is missing")
        if row.elsewhere:
            raise DamagedArtifact(
                sha256,
                "is not in the database but in the store that LPNET_ARTIFACTS named before: set "
                "it to that store again, or move the file with `lpnet-service artifacts move`",
            )
        return checked(row.content, sha256)

    def delete(self, sha256: str) -> None:
        with self._db.write() as session:
            ArtifactRepository(session).delete(sha256)
