"""Bytes by their content: an LPNet's weights.

They are kept in the database, not in a folder beside it. An LPNet is a few hundred kilobytes, is
published in the same transaction as its row, and every API process and worker that reaches the
database reaches it; a copy of the database is a copy of everything.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from lpnet_service.db.rows import ArtifactRow
from lpnet_service.repositories.rows import insert_if_new


def put(session: Session, content: bytes, now: datetime) -> str:
    """Keep bytes; returns their sha256. Keeping them again changes nothing."""
    sha256 = hashlib.sha256(content).hexdigest()
    values = {"sha256": sha256, "content": content, "created_at": now}
    insert_if_new(session, ArtifactRow, values, key="sha256")
    return sha256


def get(session: Session, sha256: str) -> bytes | None:
    """The bytes with this sha256."""
    return session.scalar(select(ArtifactRow.content).where(ArtifactRow.sha256 == sha256))
