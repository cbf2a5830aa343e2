"""What every store of artifacts does."""

from __future__ import annotations

import hashlib
from typing import Protocol

from lpnet_service.errors import DamagedArtifact

# An LPNet is some hundred kilobytes; what is far larger is none, and not read into memory.
LARGEST_BYTES = 256 * 2**20


class ArtifactStore(Protocol):
    """Bytes by their content: what is read is what was written, or it is refused.

    `tests/integration/service/test_artifact_stores.py` holds every store to this. All three raise
    NoArtifact where the store is out of reach or says no.
    """

    def put(self, content: bytes) -> str:
        """Keep bytes; returns their sha256, by which they are found, once they are kept. Keeping
        them again changes nothing."""
        ...

    def get(self, sha256: str) -> bytes:
        """The bytes with this sha256. DamagedArtifact where they are gone, or are others."""
        ...

    def delete(self, sha256: str) -> None:
        """Forget bytes; those that are not there are forgotten already."""
        ...


def checked(content: bytes, sha256: str) -> bytes:
    """The bytes, if they are those that were kept under this name. DamagedArtifact."""
    if hashlib.sha256(content).hexdigest() != sha256:
        raise DamagedArtifact(sha256, f"is not what was written ({len(content)} bytes)")
    return content
