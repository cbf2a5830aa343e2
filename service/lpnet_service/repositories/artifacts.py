"""Artifacts, the files of LPNets: a row for each, with its bytes where they are kept here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Exists, exists, select, update
from sqlalchemy import delete as delete_
from sqlalchemy.orm import Session

from lpnet_service.db.rows import ArtifactRow, LPNetRow
from lpnet_service.repositories.inserts import insert_if_new


class ArtifactRepository:
    """The files of LPNets, one row each, with its bytes unless they are kept elsewhere."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def register(self, sha256: str, now: datetime) -> None:
        """A row for bytes that are about to be kept; of one that is there, `created_at` is renewed."""
        values = {"sha256": sha256, "content": b"", "elsewhere": True, "created_at": now}
        if not insert_if_new(self._session, ArtifactRow, values, key="sha256"):
            self._update(sha256, created_at=now)

    def store(self, sha256: str, content: bytes, now: datetime) -> None:
        """Keep bytes here."""
        self.register(sha256, now)
        self._update(sha256, content=content, elsewhere=False)

    def clear_content(self, sha256: str) -> None:
        """They are kept elsewhere from now on."""
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
        """Those that are the weights of an LPNet, and whether they are kept elsewhere."""
        query = select(ArtifactRow.sha256, ArtifactRow.elsewhere).where(_is_named())
        return [
            (sha256, away)
            for sha256, away in self._session.execute(query.order_by(ArtifactRow.sha256))
        ]

    def unreferenced(self, before: datetime) -> Sequence[str]:
        """Those that are nobody's, noted before a moment."""
        query = select(ArtifactRow.sha256).where(~_is_named(), ArtifactRow.created_at < before)
        return self._session.scalars(query.order_by(ArtifactRow.sha256)).all()

    def delete_if_unreferenced(self, sha256: str, before: datetime) -> bool | None:
        """Delete a row that is still as `unnamed` said; whether its bytes are elsewhere, None where it
        is not so any more."""
        gone = delete_(ArtifactRow).where(
            ArtifactRow.sha256 == sha256, ~_is_named(), ArtifactRow.created_at < before
        )
        return self._session.scalar(gone.returning(ArtifactRow.elsewhere))


def _is_named() -> Exists:
    return exists().where(LPNetRow.weights_sha256 == ArtifactRow.sha256)
