"""The files of LPNets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Exists, exists, select, update
from sqlalchemy import delete as delete_
from sqlalchemy.orm import Session

from lpnet_service.db.rows import ArtifactRow, LPNetRow
from lpnet_service.repositories.inserts import insert_if_new


class ArtifactRepository:
    """One row per file; it holds the bytes unless they are `elsewhere`, in the artifact store."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def register(self, sha256: str, now: datetime) -> None:
        """Add a row for bytes that are about to be stored, or renew its `created_at`."""
        values = {"sha256": sha256, "content": b"", "elsewhere": True, "created_at": now}
        if not insert_if_new(self._session, ArtifactRow, values, key="sha256"):
            self._update(sha256, created_at=now)

    def store(self, sha256: str, content: bytes, now: datetime) -> None:
        self.register(sha256, now)
        self._update(sha256, content=content, elsewhere=False)

    def clear_content(self, sha256: str) -> None:
        self._update(sha256, content=b"", elsewhere=True)

    def _update(self, sha256: str, **values: object) -> None:
        self._session.execute(
            update(ArtifactRow).where(ArtifactRow.sha256 == sha256).values(**values)
        )

    def get(self, sha256: str) -> ArtifactRow | None:
        return self._session.get(ArtifactRow, sha256)

    def delete(self, sha256: str) -> None:
        self._session.execute(delete_(ArtifactRow).where(ArtifactRow.sha256 == sha256))

    def referenced(self) -> Sequence[tuple[str, bool]]:
        """The sha256 of every LPNet's weights, and whether they are elsewhere."""
        query = select(ArtifactRow.sha256, ArtifactRow.elsewhere).where(_is_referenced())
        rows = self._session.execute(query.order_by(ArtifactRow.sha256))
        return [(sha256, elsewhere) for sha256, elsewhere in rows]

    def unreferenced(self, before: datetime) -> Sequence[str]:
        query = select(ArtifactRow.sha256).where(
            ~_is_referenced(), ArtifactRow.created_at < before
        )
        return self._session.scalars(query.order_by(ArtifactRow.sha256)).all()

    def delete_if_unreferenced(self, sha256: str, before: datetime) -> bool | None:
        """Delete a row if it is still unreferenced. Returns whether its bytes are elsewhere, None
        if it was not deleted."""
        statement = delete_(ArtifactRow).where(
            ArtifactRow.sha256 == sha256, ~_is_referenced(), ArtifactRow.created_at < before
        )
        return self._session.scalar(statement.returning(ArtifactRow.elsewhere))


def _is_referenced() -> Exists:
    return exists().where(LPNetRow.weights_sha256 == ArtifactRow.sha256)
