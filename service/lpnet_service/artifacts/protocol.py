"""The interface of artifact stores."""

from __future__ import annotations

import hashlib
from typing import Protocol

from lpnet_service.errors import DamagedArtifact

# An LPNet is some hundred kilobytes. A far larger object is not one, and is not loaded.
MAX_BYTES = 256 * 2**20


class ArtifactStore(Protocol):
    """Keeps bytes under their sha256, and never returns other bytes than were written.

    All methods raise NoArtifact if the store is unreachable or refuses.
    `tests/integration/service/test_artifact_stores.py` tests every store.
    """

    def put(self, content: bytes) -> str:
        """Write bytes and return their sha256. Writing them again changes nothing."""
        ...

    def get(self, sha256: str) -> bytes:
        """The bytes with this sha256. Raises DamagedArtifact if they are missing or changed."""
        ...

    def delete(self, sha256: str) -> None:
        """Delete bytes; does nothing if they are missing."""
        ...


def checked(content: bytes, sha256: str) -> bytes:
    """The content, if it has this sha256. Raises DamagedArtifact."""
    if hashlib.sha256(content).hexdigest() != sha256:
        raise DamagedArtifact(sha256, f"was changed after it was written ({len(content)} bytes)")
    return content
