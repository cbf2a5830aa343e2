"""Artifacts in a local folder, or in S3, Google Cloud or Azure storage, through obstore.

Each is one object, named by the sha256 of its content. Credentials and endpoints come from the
same environment variables as for the tools of the clouds (`AWS_ACCESS_KEY_ID`,
`AWS_ENDPOINT_URL`, ...).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, from_url
from obstore.store import ObjectStore as Store

from lpnet_service.artifacts.protocol import MAX_BYTES, checked
from lpnet_service.errors import DamagedArtifact, NoArtifact, SetupError

_RETRIES = 2
_RETRY_S = timedelta(seconds=5)


class ObjectStore:
    """An ArtifactStore of objects under `url`. SetupError for a URL that obstore cannot open."""

    def __init__(self, url: str) -> None:
        try:
            self._store = _open(url)
        except (BaseError, OSError, ValueError) as error:
            raise SetupError(f"LPNET_ARTIFACTS: {_first_line(error)}") from error

    def put(self, content: bytes) -> str:
        sha256 = hashlib.sha256(content).hexdigest()
        with _raise_no_artifact("written"):
            obstore.put(self._store, sha256, content)
        return sha256

    def get(self, sha256: str) -> bytes:
        with _raise_no_artifact("read"):
            try:
                result = obstore.get(self._store, sha256)
            except FileNotFoundError as error:
                raise DamagedArtifact(sha256, "is missing in the artifact store") from error
            size = result.meta["size"]
            if size > MAX_BYTES:
                raise DamagedArtifact(sha256, f"was changed after it was written ({size} bytes)")
            content = bytes(result.bytes())
        return checked(content, sha256)

    def delete(self, sha256: str) -> None:
        with _raise_no_artifact("deleted"):
            try:
                obstore.delete(self._store, sha256)
            except FileNotFoundError:
                return


def _open(url: str) -> Store:
    if url.startswith("file:"):
        return LocalStore.from_url(url, mkdir=True)
    return from_url(url, retry_config={"max_retries": _RETRIES, "retry_timeout": _RETRY_S})


@contextmanager
def _raise_no_artifact(action: str) -> Iterator[None]:
    try:
        yield
    except (BaseError, OSError) as error:
        raise NoArtifact(
            f"the artifact store cannot be {action} (LPNET_ARTIFACTS): {_first_line(error)}"
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
